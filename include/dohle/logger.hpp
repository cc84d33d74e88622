#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "dohle/export.hpp"

namespace dohle {
inline namespace v0 {

enum class LogLevel : std::uint8_t { debug, info, warning, error };

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
