#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>

#include "base/time.hpp"
#include "dohle/broker.hpp"
#include "dohle/logger.hpp"

namespace dohle::messaging {

/// Brings failures that no call could return to the error handler, or else to the logger: one line
/// of a kind per second, with the number of those left out.
/// Thread safety: any thread.
class Reports {
 public:
  Reports(ErrorHandler handler, std::shared_ptr<Logger> logger)
      : handler_(std::move(handler)), logger_(std::move(logger)) {}

  void report(const Failure& failure);
  [[nodiscard]] Logger& logger() const { return *logger_; }
  [[nodiscard]] const std::shared_ptr<Logger>& shared_logger() const { return logger_; }

 private:
  /// How many lines of that kind were left out since the last; -1: leave this one out too.
  int pass(Failure::Kind kind);
  void log(const Failure& failure);

  struct Limit {
    TimePoint next = TimePoint::min();
    int left_out = 0;
  };
  ErrorHandler handler_;
  std::shared_ptr<Logger> logger_;
  std::mutex mutex_;
  std::array<Limit, 4> limits_;
};

/// What the messaging API's engines go by.
[[nodiscard]] TimePoint monotonic_now();

}  // namespace dohle::messaging
