#pragma once

#include <algorithm>
#include <condition_variable>
#include <list>
#include <mutex>

#include "base/time.hpp"

namespace dohle::client {

/// Where callers of `send` wait, in order, for room in a spent buffer. Room comes in pieces worth
/// waking somebody for: whoever is first in line is woken for one, and the next is woken at once
/// only while there is another, so that a crowd of callers costs no more wakes than one.
/// Thread safety: any thread.
class RoomQueue {
 public:
  /// A piece of room appeared: the first in line tries again.
  void on_room() {
    const std::lock_guard lock(mutex_);
    has_news_ = true;
    wake_first();
  }
  /// Nobody will get room any more.
  void close() {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    for (std::condition_variable* each : line_) each->notify_one();
  }

  /// How many callers wait.
  [[nodiscard]] std::size_t length() const {
    const std::lock_guard lock(mutex_);
    return line_.size();
  }

  /// Calls `attempt` when it is the caller's turn and there may be room, until it returns true.
  /// `ask_for_more` says whether there is a piece for the next in line, and else sees to it that
  /// on_room is called once there is. False: `timeout` passed, or close() was called.
  template <class Attempt, class AskForMore>
  bool wait(const Clock& clock, Duration timeout, Attempt attempt, AskForMore ask_for_more) {
    const TimePoint deadline = clock.mono() + timeout;
    std::condition_variable turn;
    std::unique_lock lock(mutex_);
    has_news_ = has_news_ || line_.empty();
    const auto place = line_.insert(line_.end(), &turn);
    bool is_done = false;
    while (!is_closed_ && !is_done) {
      const Duration left = deadline - clock.mono();
      if (left <= Duration::zero()) break;
      const bool is_first = line_.front() == &turn;
      if (!is_first || !has_news_) {
        // Less than a piece is looked for now and then: it may be all that batches of a partition
        // without a leader leave.
        turn.wait_for(lock, std::min(left, is_first ? patience : 10 * patience));
        has_news_ = has_news_ || is_first;
        continue;
      }
      has_news_ = false;
      lock.unlock();
      is_done = attempt();
      lock.lock();
    }
    line_.erase(place);
    if (!line_.empty() && ask_for_more()) has_news_ = true;
    wake_first();
    return is_done;
  }

 private:
  static constexpr Duration patience = std::chrono::milliseconds(20);

  void wake_first() {
    if (has_news_ && !line_.empty()) line_.front()->notify_one();
  }

  mutable std::mutex mutex_;
  std::list<std::condition_variable*> line_;
  /// There may be room that the first in line has not tried for.
  bool has_news_ = false;
  bool is_closed_ = false;
};

}  // namespace dohle::client
