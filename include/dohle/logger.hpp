#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

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
};

/// Writes "time level subject: line" to standard error; lines below `level` are left out.
[[nodiscard]] DOHLE_API std::shared_ptr<Logger> stderr_logger(LogLevel level = LogLevel::warning);
/// Calls `function` for each line. It must be callable from several threads at once.
[[nodiscard]] DOHLE_API std::shared_ptr<Logger> function_logger(
    LogLevel level, std::function<void(LogLevel, std::string_view, std::string_view)> function);
/// Drops everything.
[[nodiscard]] DOHLE_API std::shared_ptr<Logger> silent_logger();

}  // namespace v0
}  // namespace dohle
