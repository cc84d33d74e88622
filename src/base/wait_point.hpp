#pragma once

#include <condition_variable>
#include <mutex>

#include "base/simulated_thread.hpp"
#include "base/time.hpp"

namespace dohle {

/// A condition variable in the time of the calling thread's world. Thread safety: any thread;
/// waiting threads all use the same mutex.
class WaitPoint {
 public:
  using Lock = std::unique_lock<std::mutex>;

  void notify_one() {
    condition_.notify_one();
    if (first_ != nullptr) [[unlikely]]
      wake_first();
  }
  void notify_all() {
    condition_.notify_all();
    while (first_ != nullptr) [[unlikely]]
      wake_first();
  }

  /// May also return without a notification. False if `deadline` has passed.
  bool wait_until(Lock& lock, TimePoint deadline) {
    if (SimulatedThread* const self = SimulatedThread::here()) {
      return stand_still(*self, lock, deadline);
    }
    if (deadline == never) {
      condition_.wait(lock);
      return true;
    }
    const std::chrono::steady_clock::time_point at(deadline.time_since_epoch());
    return condition_.wait_until(lock, at) == std::cv_status::no_timeout;
  }
  bool wait_for(Lock& lock, Duration timeout) { return wait_until(lock, thread_now() + timeout); }

  /// Waits until `ready()` is true, which is called under the lock, or `deadline` has passed.
  /// Returns the last value of `ready()`.
  template <class Ready>
  bool wait_until(Lock& lock, TimePoint deadline, Ready ready) {
    while (!ready()) {
      if (!wait_until(lock, deadline)) return ready();
    }
    return true;
  }
  template <class Ready>
  bool wait_for(Lock& lock, Duration timeout, Ready ready) {
    return wait_until(lock, thread_now() + timeout, std::move(ready));
  }

 private:
  /// A simulated thread that waits here; it lies on the thread's stack.
  struct Waiting {
    SimulatedThread& thread;
    Waiting* next = nullptr;
    bool is_notified = false;
  };

  void wake_first() {
    Waiting& woken = *first_;
    first_ = woken.next;
    woken.is_notified = true;
    woken.thread.wake();
  }
  bool stand_still(SimulatedThread& self, Lock& lock, TimePoint deadline) {
    Waiting waiting{self};
    Waiting** at = &first_;
    while (*at != nullptr) at = &(*at)->next;
    *at = &waiting;
    lock.unlock();
    self.stand_still(deadline);
    lock.lock();
    if (waiting.is_notified) return true;
    for (at = &first_; *at != &waiting;) at = &(*at)->next;
    *at = waiting.next;
    return false;
  }

  std::condition_variable condition_;
  /// The first waiting simulated thread. Null outside simulated worlds. It needs no lock, since one
  /// thread runs at a time there.
  Waiting* first_ = nullptr;
};

}  // namespace dohle
