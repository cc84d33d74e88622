#pragma once

#include <memory>
#include <mutex>

#include "base/time.hpp"
#include "dohle/broker.hpp"
#include "dohle/logger.hpp"
#include "messaging/failure_lines.hpp"

namespace dohle::messaging {

/// Passes failures that no call could return to the error handler, or without one to the logger:
/// one line per kind and second. The suppressed failures follow with their number and offsets once
/// the second has passed, or at the end. Thread safety: any thread.
class Reports {
 public:
  Reports(ErrorHandler handler, std::shared_ptr<Logger> logger)
      : handler_(std::move(handler)), logger_(std::move(logger)) {}

  /// Logs the suppressed failures.
  ~Reports() { say_left_out(TimePoint::max()); }
  Reports(const Reports&) = delete;
  Reports& operator=(const Reports&) = delete;

  void report(const Failure& failure);
  /// Logs the suppressed failures of each kind whose last line is a second old.
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

/// The clock of the messaging API's engines.
[[nodiscard]] TimePoint monotonic_now();

}  // namespace dohle::messaging
