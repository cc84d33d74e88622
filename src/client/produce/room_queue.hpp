#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <list>
#include <mutex>
#include <thread>

#include "base/budget.hpp"
#include "base/call_deadline.hpp"
#include "base/time.hpp"
#include "base/wait_point.hpp"

namespace dohle::client {

/// The queue of `send` callers that wait for space in a spent buffer. A caller is woken only once a
/// whole piece of space is free. Many callers should be as fast as one, which seldom fills the
/// buffer since its records are sent meanwhile from the CPU's cache. So an admitted caller keeps
/// its place at the front for its turn, then moves to the end. A second caller is admitted beside
/// it only once most of the buffer is free, which means that the first does not use it up. Thread
/// safety: any thread.
class RoomQueue {
 public:
  /// After `patience` the first caller tries without a notification: admitted callers may never
  /// come back, and batches of a partition without a leader may leave less than a piece free.
  explicit RoomQueue(Duration patience = std::chrono::milliseconds(20)) : patience_(patience) {}

  /// The requested space is free, so the first caller tries again.
  void on_room() {
    const std::lock_guard lock(mutex_);
    has_news_ = true;
    wake_first();
  }
  /// Wakes all callers; none gets space any more.
  void close() {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    for (WaitPoint* each : line_) each->notify_one();
  }

  /// Whether other callers wait and it is not the calling thread's turn. Takes no lock if no caller
  /// waits.
  [[nodiscard]] bool is_turn_of_others(const Clock& clock) const {
    if (!is_crowded_.load(std::memory_order_relaxed)) return false;
    const std::lock_guard lock(mutex_);
    return !line_.empty() && !is_turn_of_caller(clock.mono());
  }

  /// Number of waiting callers.
  [[nodiscard]] std::size_t length() const {
    const std::lock_guard lock(mutex_);
    return line_.size();
  }

  /// Calls `attempt` when it is the caller's turn and there may be space, until it returns true.
  /// `ask_for` returns whether a piece, or most, of the buffer is free, and otherwise arranges a
  /// call of on_room once it is. False if the deadline passed or close() was called.
  template <class Attempt, class AskFor>
  bool wait(const Clock& clock, const CallDeadline& deadline, Attempt attempt, AskFor ask_for) {
    const TimePoint began = clock.mono();
    const auto ask = [&] {
      using enum Budget::Room;
      has_news_ = has_news_ || ask_for(at_work_ == 0 ? piece : most);
    };
    WaitPoint turn;
    std::unique_lock lock(mutex_);
    if (at_work_ > 0) --at_work_;
    has_news_ = has_news_ || line_.empty();
    const bool goes_on = is_turn_of_caller(began);
    const auto place = line_.insert(goes_on ? line_.begin() : line_.end(), &turn);
    is_crowded_.store(true, std::memory_order_relaxed);
    bool is_done = false;
    while (!is_closed_ && !is_done) {
      const TimePoint now = clock.mono();
      const TimePoint until = deadline.at();
      if (now >= until) break;
      const bool is_first = line_.front() == &turn;
      if (is_first && has_news_) {
        has_news_ = false;
        lock.unlock();
        is_done = attempt();
        lock.lock();
        continue;
      }
      ask();
      if (is_first && has_news_) continue;
      wake_first();
      const bool is_woken =
          turn.wait_for(lock, std::min(until - now, is_first ? patience_ : 10 * patience_));
      if (is_first && !is_woken) {
        at_work_ = 0;
        has_news_ = true;
      }
    }
    line_.erase(place);
    is_crowded_.store(!line_.empty(), std::memory_order_relaxed);
    if (is_done) begin_work(clock.mono());
    if (!line_.empty()) ask();
    wake_first();
    return is_done;
  }

 private:
  static constexpr Duration turn_time = std::chrono::milliseconds(10);

  bool is_turn_of_caller(TimePoint now) const {
    return turn_of_ == std::this_thread::get_id() && now < turn_ends_;
  }
  void begin_work(TimePoint now) {
    ++at_work_;
    if (is_turn_of_caller(now)) return;
    turn_of_ = std::this_thread::get_id();
    turn_ends_ = now + turn_time;
  }
  void wake_first() {
    if (has_news_ && !line_.empty()) line_.front()->notify_one();
  }

  const Duration patience_;
  mutable std::mutex mutex_;
  std::list<WaitPoint*> line_;
  /// Whether a caller waits.
  std::atomic<bool> is_crowded_{false};
  /// There may be space that the first caller has not tried to get.
  bool has_news_ = false;
  bool is_closed_ = false;
  /// Number of admitted callers that have not waited again since.
  std::size_t at_work_ = 0;
  std::thread::id turn_of_;
  TimePoint turn_ends_{};
};

}  // namespace dohle::client
