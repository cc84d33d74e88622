#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "base/simulated_thread.hpp"
#include "base/sleeper.hpp"
#include "base/time.hpp"
#include "base/time_shift.hpp"

namespace dohle {

/// A condition variable in the time of the calling thread's world. A thread that is no Sleeper
/// waits in real time: its deadline does not come nearer when a test moves the time on. Thread
/// safety: any thread; waiting threads all use the same mutex.
class WaitPoint {
 public:
  using Lock = std::unique_lock<std::mutex>;

  void notify_one() {
    condition_.notify_one();
    if (has_sleepers()) [[unlikely]]
      wake_sleepers(Woken::first);
  }
  void notify_all() {
    condition_.notify_all();
    if (has_sleepers()) [[unlikely]]
      wake_sleepers(Woken::all);
  }

  /// May also return without a notification. False if `deadline` has passed.
  bool wait_until(Lock& lock, TimePoint deadline) {
    if (Sleeper* const self = Sleeper::here()) return sleep(*self, lock, deadline);
    return wait_really(lock, real(deadline));
  }
  bool wait_for(Lock& lock, Duration timeout) { return wait_until(lock, thread_now() + timeout); }

  /// Waits until `ready()` is true, which is called under the lock, or `deadline` has passed.
  /// Returns the last value of `ready()`.
  template <class Ready>
  bool wait_until(Lock& lock, TimePoint deadline, Ready ready) {
    Sleeper* const self = Sleeper::here();
    const TimePoint real_deadline = real(deadline);
    while (!ready()) {
      const bool has_time =
          self != nullptr ? sleep(*self, lock, deadline) : wait_really(lock, real_deadline);
      if (!has_time) return ready();
    }
    return true;
  }
  template <class Ready>
  bool wait_for(Lock& lock, Duration timeout, Ready ready) {
    return wait_until(lock, thread_now() + timeout, std::move(ready));
  }

 private:
  enum class Woken : bool { first, all };
  /// A Sleeper that waits here; it lies on the thread's stack.
  struct Waiting {
    Sleeper& thread;
    Waiting* next = nullptr;
    bool is_notified = false;
  };

  static TimePoint real(TimePoint deadline) {
    return deadline == never ? never : deadline - time_shift();
  }
  bool wait_really(Lock& lock, TimePoint real_deadline) {
    if (real_deadline == never) {
      condition_.wait(lock);
      return true;
    }
    const std::chrono::steady_clock::time_point at(real_deadline.time_since_epoch());
    return condition_.wait_until(lock, at) == std::cv_status::no_timeout;
  }

  // A thread adds itself under the lock of its wait, so a caller that has held that lock since sees
  // it.
  [[nodiscard]] bool has_sleepers() const {
    return first_.load(std::memory_order_relaxed) != nullptr;
  }
  void wake_sleepers(Woken which) {
    const std::lock_guard all_lists(lists_);
    while (Waiting* const woken = first_.load(std::memory_order_relaxed)) {
      first_.store(woken->next, std::memory_order_relaxed);
      woken->is_notified = true;
      woken->thread.wake();
      if (which == Woken::first) break;
    }
  }
  bool sleep(Sleeper& self, Lock& lock, TimePoint deadline) {
    Waiting waiting{self};
    add(waiting);
    lock.unlock();
    self.stand_still(deadline);
    const bool is_notified = remove(waiting);
    lock.lock();
    return is_notified || self.now() < deadline;
  }
  /// Appends `waiting` to the list.
  void add(Waiting& waiting) {
    const std::lock_guard all_lists(lists_);
    Waiting* last = first_.load(std::memory_order_relaxed);
    if (last == nullptr) return first_.store(&waiting, std::memory_order_relaxed);
    while (last->next != nullptr) last = last->next;
    last->next = &waiting;
  }
  /// Returns whether it was notified, and so is in the list no longer.
  bool remove(const Waiting& waiting) {
    const std::lock_guard all_lists(lists_);
    if (waiting.is_notified) return true;
    Waiting* before = first_.load(std::memory_order_relaxed);
    if (before == &waiting) {
      first_.store(waiting.next, std::memory_order_relaxed);
      return false;
    }
    while (before->next != &waiting) before = before->next;
    before->next = waiting.next;
    return false;
  }

  std::condition_variable condition_;
  /// The first waiting Sleeper. Null in a usual program. Changed under lists_.
  std::atomic<Waiting*> first_{nullptr};
  /// One mutex for all lists: only tests use them, and they are short.
  static inline std::mutex lists_;
};

}  // namespace dohle
