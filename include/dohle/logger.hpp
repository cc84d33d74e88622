#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/export.hpp"

namespace dohle {
inline namespace v0 {

/// The importance of a log line.
enum class LogLevel : std::uint8_t {
  debug,    ///< for debugging the library
  info,     ///< normal events that may interest an operator
  warning,  ///< a failure that the library handles by itself
  error,    ///< a failure that an operator has to act on
};

/// Receives the library's log lines. It is an option of every long-lived object; there is no
/// process-wide logger.
///
/// The library calls `log` without holding a lock and never once per record. Repeats of a line are
/// rate-limited and counted. Thread safety: called from any of the library's threads, possibly at
/// the same time.
class DOHLE_API Logger {
 public:
  virtual ~Logger() = default;
  /// The lowest level that is logged; lines below it are not formatted.
  [[nodiscard]] virtual LogLevel level() const noexcept = 0;
  /// `subject` names the component that logs ("connection", "group", "log"); `line` has no newline.
  /// Both are valid only during the call. Must not throw.
  virtual void log(LogLevel level, std::string_view subject, std::string_view line) noexcept = 0;

  /// Logs a line of the program itself, at level info and with the subject "app". `format` is that
  /// of printf(3), and the compiler checks the arguments against it. At most 16 KiB are logged.
  [[gnu::format(printf, 2, 3)]] void printf(const char* format, ...) noexcept;
};

/// A name and a value that a logger adds to each line.
struct LogField {
  /// Its name, for example "service".
  std::string name;
  /// Its value.
  std::string value;
};

/// A logger that writes "time level subject: line" to standard error. It omits lines below `level`.
[[nodiscard]] DOHLE_API std::shared_ptr<Logger> stderr_logger(LogLevel level = LogLevel::warning);
/// A logger that calls `function` for each line from `level` on. The function must be callable from
/// several threads at once. If it throws, the line is lost. The first time, a line on standard
/// error says so.
[[nodiscard]] DOHLE_API std::shared_ptr<Logger> function_logger(
    LogLevel level, std::function<void(LogLevel, std::string_view, std::string_view)> function);
/// A logger that appends " name=value" to each line for each field, and passes the line to
/// `logger`. Returns null if `logger` is null.
[[nodiscard]] DOHLE_API std::shared_ptr<Logger> fields_logger(std::shared_ptr<Logger> logger,
                                                              std::vector<LogField> fields);
/// A logger that drops every line.
[[nodiscard]] DOHLE_API std::shared_ptr<Logger> silent_logger();

namespace kafka {

/// The logger of every option that takes one.
using Logger = dohle::Logger;

/// Writes errors, and the lines of its own printf, to standard error. Thread safety: any thread.
class DOHLE_API ErrorLogger final : public dohle::Logger {
 public:
  ErrorLogger();
  ~ErrorLogger() override;
  /// LogLevel::error.
  [[nodiscard]] LogLevel level() const noexcept override;
  /// Writes the line unless it is below LogLevel::error.
  void log(LogLevel level, std::string_view subject, std::string_view line) noexcept override;
  /// As Logger::printf, but at level error.
  [[gnu::format(printf, 2, 3)]] void printf(const char* format, ...) noexcept;

 private:
  std::shared_ptr<dohle::Logger> to_;
};

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
