#pragma once

// For programs that use spdlog. They have to include and link spdlog; the library does not.

#include <spdlog/logger.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "dohle/logger.hpp"

namespace dohle {
inline namespace v0 {

/// Passes lines to a logger of spdlog, as "subject: line" and with spdlog's corresponding level.
/// The level of spdlog's logger is read for each line, so a program may change it at any time. At
/// spdlog's levels critical and off no line is logged.
///
///     kafka::new_broker(kafka::with_logger(spdlog_logger(spdlog::default_logger())))
///
/// Exceptions of a sink are dropped. Thread safety: any thread; spdlog's sinks have to be thread
/// safe ("_mt").
class SpdlogLogger final : public Logger {
 public:
  /// `to` must not be null.
  explicit SpdlogLogger(std::shared_ptr<::spdlog::logger> to) : to_(std::move(to)) {}

  /// The level of spdlog's logger. LogLevel::error also for critical and off.
  [[nodiscard]] LogLevel level() const noexcept override {
    const auto level = to_->level();
    if (level <= ::spdlog::level::debug) return LogLevel::debug;
    if (level == ::spdlog::level::info) return LogLevel::info;
    return level == ::spdlog::level::warn ? LogLevel::warning : LogLevel::error;
  }

  /// Logs the line unless it is below the level.
  void log(LogLevel level, std::string_view subject, std::string_view line) noexcept override {
    try {
      const auto as = level_of(level);
      if (!to_->should_log(as)) return;
      std::string text(subject);
      text.append(": ").append(line);
      to_->log(as, ::spdlog::string_view_t(text.data(), text.size()));
    } catch (...) {
      // A sink failed, and spdlog's error handler threw.
    }
  }

 private:
  static ::spdlog::level::level_enum level_of(LogLevel level) noexcept {
    switch (level) {
      case LogLevel::debug:
        return ::spdlog::level::debug;
      case LogLevel::info:
        return ::spdlog::level::info;
      case LogLevel::warning:
        return ::spdlog::level::warn;
      case LogLevel::error:
        break;
    }
    return ::spdlog::level::err;
  }

  const std::shared_ptr<::spdlog::logger> to_;
};

/// Makes a SpdlogLogger for `to`. fields_logger adds fields to it. Returns null if `to` is null.
[[nodiscard]] inline std::shared_ptr<Logger> spdlog_logger(std::shared_ptr<::spdlog::logger> to) {
  if (!to) return nullptr;
  return std::make_shared<SpdlogLogger>(std::move(to));
}

}  // namespace v0
}  // namespace dohle
