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
  debug,    ///< for people who look for a fault in the library
  info,     ///< what an operator may want to know
  warning,  ///< something failed, and the library goes on
  error,    ///< something failed, and somebody has to act
};

/// Where the library's log lines go. An option of every long-lived object; never process-wide.
///
/// `log` is called without a lock held, never once per record, and repeats of one line are
/// rate-limited with a count.
/// Thread safety: called from any of the library's threads, possibly at the same time.
class DOHLE_API Logger {
 public:
  virtual ~Logger() = default;
  /// Lines below this level are not even formatted.
  [[nodiscard]] virtual LogLevel level() const noexcept = 0;
  /// `subject` names the part that speaks ("connection", "group", "log"); `line` has no newline.
  /// Both are valid only during the call. Must not throw.
  virtual void log(LogLevel level, std::string_view subject, std::string_view line) noexcept = 0;
};

/// Writes "time level subject: line" to standard error; lines below `level` are left out.
[[nodiscard]] DOHLE_API std::shared_ptr<Logger> stderr_logger(LogLevel level = LogLevel::warning);
/// Calls a plain function. It has to be callable from several threads at once.
[[nodiscard]] DOHLE_API std::shared_ptr<Logger> function_logger(
    LogLevel level, std::function<void(LogLevel, std::string_view, std::string_view)> function);
/// Drops everything.
[[nodiscard]] DOHLE_API std::shared_ptr<Logger> silent_logger();

}  // namespace v0
}  // namespace dohle
