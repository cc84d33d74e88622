#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>

#include "base/idle_watch.hpp"
#include "base/simulated_thread.hpp"
#include "base/sleeper.hpp"
#include "base/time.hpp"
#include "base/time_shift.hpp"

namespace dohle {

/// The end of a blocking call in the time of its thread. A thread of the program waits in real
/// time, as at a WaitPoint: the deadline does not come nearer when a test moves the time on. On the
/// library's own threads, whose waits a test knows, it comes nearer. Thread safety: any thread,
/// except that the call's own thread constructs it.
class CallDeadline {
 public:
  explicit CallDeadline(Duration timeout) : CallDeadline([] { return thread_now(); }, timeout) {}
  /// In the time of that clock, which is the thread's, or one that a test holds.
  CallDeadline(const Clock& clock, Duration timeout)
      : CallDeadline([&clock] { return clock.mono(); }, timeout) {}

  /// By the library's clocks. It grows while a test moves them on.
  [[nodiscard]] TimePoint at() const { return is_real_ ? at_ + time_shift() : at_; }
  /// The rest by the thread's own clock, at least 0.
  [[nodiscard]] std::chrono::milliseconds left() const {
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(at_ - now(thread_now));
    return std::max(rest, std::chrono::milliseconds(0));
  }
  [[nodiscard]] bool has_passed() const { return left() == std::chrono::milliseconds(0); }

  /// True if a test moves the time on and the deadline is real. A loop cannot keep it then: the
  /// waiting thread has to end the call.
  [[nodiscard]] bool is_kept_by_caller() const { return is_kept_by_caller_; }
  /// What a loop arms its timer for: `never` if the caller keeps the deadline.
  [[nodiscard]] TimePoint for_loop() const { return is_kept_by_caller_ ? never : at(); }

 private:
  template <std::invocable ReadClock>
  CallDeadline(ReadClock read, Duration timeout) : at_(now(read) + timeout) {}

  template <std::invocable ReadClock>
  [[nodiscard]] TimePoint now(ReadClock read) const {
    if (!is_real_) return read();
    for (;;) {
      const Duration shift = time_shift();
      const TimePoint moved = read();
      if (time_shift() == shift) return moved - shift;
    }
  }

  bool is_real_ = Sleeper::here() == nullptr;
  bool is_kept_by_caller_ = is_real_ && IdleWatch::current() != nullptr;
  /// Without the shift if it is real.
  TimePoint at_;
};

}  // namespace dohle
