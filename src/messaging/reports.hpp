#pragma once

#include <memory>
#include <mutex>

#include "base/time.hpp"
#include "dohle/broker.hpp"
#include "dohle/logger.hpp"
#include "messaging/failure_lines.hpp"

namespace dohle::messaging {

/// Brings failures that no call could return to the error handler, or else to the logger: one line
/// of a kind per second, and as soon as a second has passed, or at the end, how many others there
/// were and at which offsets.
/// Thread safety: any thread.
class Reports {
 public:
  Reports(ErrorHandler handler, std::shared_ptr<Logger> logger)
      : handler_(std::move(handler)), logger_(std::move(logger)) {}

  /// Logs what is left.
  ~Reports() { say_left_out(TimePoint::max()); }
  Reports(const Reports&) = delete;
  Reports& operator=(const Reports&) = delete;

  void report(const Failure& failure);
  /// Logs what was left out of the lines, where a second has passed since the last of its kind.
  void say_left_out(TimePoint now);
  [[nodiscard]] Logger& logger() const { return *logger_; }
  [[nodiscard]] const std::shared_ptr<Logger>& shared_logger() const { return logger_; }

 private:
  void log(const Failure& failure);

  ErrorHandler handler_;
  std::shared_ptr<Logger> logger_;
  std::mutex mutex_;
  FailureLines lines_;
};

/// What the messaging API's engines go by.
[[nodiscard]] TimePoint monotonic_now();

}  // namespace dohle::messaging
