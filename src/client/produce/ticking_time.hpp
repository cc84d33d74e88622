#pragma once

#include <atomic>
#include <chrono>
#include <utility>

#include "base/executor.hpp"
#include "client/cluster/client_environment.hpp"

namespace dohle::client {

/// Record time that the loop publishes in each of its turns. While records use it, it keeps the
/// loop turning. Otherwise `wall` reads the clock and the loop may sleep.
///
/// `Published` is called as `Timestamp()` by any thread.
template <class Published>
class TickingTime final : public RecordTime {
 public:
  TickingTime(Executor& loop, const Clock& clock, Published published)
      : loop_(loop), clock_(clock), published_(std::move(published)) {}
  /// Called on the loop, or after its end.
  ~TickingTime() override { loop_.cancel(timer_); }
  TickingTime(const TickingTime&) = delete;
  TickingTime& operator=(const TickingTime&) = delete;

  [[nodiscard]] Timestamp wall() const override {
    if (!is_ticking_.load(std::memory_order_relaxed)) return clock_.wall();
    // Reads before it writes, since threads can share a cache line for reading.
    if (!is_used_.load(std::memory_order_relaxed)) is_used_.store(true, std::memory_order_relaxed);
    return published_();
  }

  void keep_fresh(bool on) override {
    if (on && timer_ == 0) {
      tick();
    } else if (!on && !is_used_.load(std::memory_order_relaxed)) {
      loop_.cancel(std::exchange(timer_, 0));
      is_ticking_.store(false, std::memory_order_relaxed);
    }
  }

 private:
  void tick() {
    is_ticking_.store(true, std::memory_order_relaxed);
    timer_ = loop_.arm(loop_.tick().mono + std::chrono::milliseconds(5), [this] {
      timer_ = 0;
      if (is_used_.exchange(false, std::memory_order_relaxed)) return tick();
      is_ticking_.store(false, std::memory_order_relaxed);
    });
  }

  Executor& loop_;
  const Clock& clock_;
  Published published_;
  TimerId timer_ = 0;  // loop thread
  std::atomic<bool> is_ticking_{false};
  mutable std::atomic<bool> is_used_{false};
};

}  // namespace dohle::client
