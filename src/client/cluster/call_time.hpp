#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/call_deadline.hpp"
#include "base/time.hpp"

namespace dohle::client {

/// The time of one call. All steps of the call on the loop share it. They end at `deadline`, by the
/// loop's clock. While a test moves the time on, the thread that waits for the call keeps the
/// deadline instead and calls `end` (CallDeadline::is_kept_by_caller). Loop thread only, except for
/// the constructors.
class CallTime {
 public:
  /// `timeout`: the length, for messages.
  CallTime(TimePoint deadline, Duration timeout) : deadline_(deadline), timeout_(timeout) {}
  CallTime(const CallDeadline& deadline, Duration timeout)
      : CallTime(deadline.for_loop(), timeout) {}
  /// Of a call for which no thread waits.
  [[nodiscard]] static std::shared_ptr<CallTime> from(TimePoint now, Duration timeout) {
    return std::make_shared<CallTime>(now + timeout, timeout);
  }

  /// `never` while the waiting thread keeps it. In the past once that thread has ended the call.
  [[nodiscard]] TimePoint deadline() const { return deadline_; }
  [[nodiscard]] Duration timeout() const { return timeout_; }
  /// From 0 to a day, which stands for `never`.
  [[nodiscard]] Duration left(TimePoint now) const {
    constexpr Duration most = std::chrono::hours(24);
    // After `end` the difference would overflow.
    if (deadline_ <= now) return Duration::zero();
    return deadline_ == never ? most : std::min(deadline_ - now, most);
  }

  /// Runs `listener` when the waiting thread ends the call. It has to look at `deadline` first,
  /// which may have passed.
  void on_end(std::move_only_function<void()> listener) {
    if (deadline_ == never) listeners_.push_back(std::move(listener));
  }
  /// Ends the call. The steps see that the deadline has passed.
  void end() {
    deadline_ = TimePoint::min();
    for (auto& listener : std::exchange(listeners_, {})) listener();
  }

 private:
  TimePoint deadline_;
  Duration timeout_;
  std::vector<std::move_only_function<void()>> listeners_;
};

using SharedCallTime = std::shared_ptr<CallTime>;

}  // namespace dohle::client
