#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>

namespace dohle::client {

/// Where callers of `send` wait, in order, for room in a spent buffer.
/// Thread safety: any thread.
class RoomQueue {
 public:
  /// Room appeared: the first in line tries again.
  void on_room() {
    const std::lock_guard lock(mutex_);
    ++rooms_;
    if (!line_.empty()) line_.front()->notify_one();
  }
  /// Nobody will get room any more.
  void close() {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    for (std::condition_variable* each : line_) each->notify_one();
  }

  /// Calls `attempt` whenever room may have appeared and it is the caller's turn, until it returns
  /// true. False: `timeout` passed, or close() was called.
  template <class Attempt>
  bool wait(std::chrono::milliseconds timeout, Attempt attempt) {
    std::unique_lock lock(mutex_);
    std::condition_variable turn;
    const auto place = line_.insert(line_.end(), &turn);
    const auto leave = [&] {
      line_.erase(place);
      if (!line_.empty()) line_.front()->notify_one();
    };
    const auto is_my_turn = [&] { return is_closed_ || line_.front() == &turn; };
    bool in_time = turn.wait_for(lock, timeout, is_my_turn);
    // One deadline for the whole wait would need a clock; the line moves on as its first gets room,
    // so waiting for the turn and waiting for room each get the timeout at most.
    while (in_time && !is_closed_) {
      const std::uint64_t seen = rooms_;
      lock.unlock();
      const bool done = attempt();
      lock.lock();
      if (done) return leave(), true;
      in_time = turn.wait_for(lock, timeout, [&] { return is_closed_ || rooms_ != seen; });
    }
    leave();
    return false;
  }

 private:
  std::mutex mutex_;
  std::list<std::condition_variable*> line_;
  std::uint64_t rooms_ = 0;
  bool is_closed_ = false;
};

}  // namespace dohle::client
