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

/// How important a log line is.
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

  /// Logs an information of the program's own, with the subject "app". The compiler checks the
  /// arguments against the format, which is that of printf(3). At most 16 KiB are logged.
  [[gnu::format(printf, 2, 3)]] void printf(const char* format, ...) noexcept;
};

/// A name and a value that belong to every line of a logger.
struct LogField {
  /// Its name, as "service".
  std::string name;
  /// Its value.
  std::string value;
};

/// Writes "time level subject: line" to standard error; lines below `level` are left out.
[[nodiscard]] DOHLE_API std::shared_ptr<Logger> stderr_logger(LogLevel level = LogLevel::warning);
/// Calls `function` for each line. It must be callable from several threads at once. If it throws,
/// the line is lost; the first time, standard error gets one that says so.
[[nodiscard]] DOHLE_API std::shared_ptr<Logger> function_logger(
    LogLevel level, std::function<void(LogLevel, std::string_view, std::string_view)> function);
/// Passes lines on to `logger` with " name=value" for each field behind them. A null `logger` makes
/// a null pointer.
[[nodiscard]] DOHLE_API std::shared_ptr<Logger> fields_logger(std::shared_ptr<Logger> logger,
                                                              std::vector<LogField> fields);
/// Drops everything.
[[nodiscard]] DOHLE_API std::shared_ptr<Logger> silent_logger();

namespace kafka {

/// The logger of every option that takes one.
using Logger = dohle::Logger;

/// Writes errors, and the program's own lines by printf, to standard error. Thread safety: any
/// thread.
class DOHLE_API ErrorLogger final : public dohle::Logger {
 public:
  ErrorLogger();
  ~ErrorLogger() override;
  /// LogLevel::error.
  [[nodiscard]] LogLevel level() const noexcept override;
  /// Writes the line unless it is below LogLevel::error.
  void log(LogLevel level, std::string_view subject, std::string_view line) noexcept override;
  /// As Logger::printf, but an error.
  [[gnu::format(printf, 2, 3)]] void printf(const char* format, ...) noexcept;

 private:
  std::shared_ptr<dohle::Logger> to_;
};

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
