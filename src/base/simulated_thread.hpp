#pragma once

#include <chrono>
#include <memory>

#include "base/executor.hpp"
#include "base/sleeper.hpp"
#include "base/time.hpp"
#include "base/time_shift.hpp"

namespace dohle {

/// A thread of a simulated world, in which one thread runs at a time and time is virtual. Code
/// outside a loop that waits, reads the time or starts threads uses `here()` first, so that the
/// library's blocking calls run unchanged in the simulation.
class SimulatedThread : public Sleeper {
 public:
  /// Starts a thread of the same simulated process. Called on this thread.
  [[nodiscard]] virtual std::shared_ptr<SimulatedThread> start(Task body) = 0;
  /// Waits until this thread's body has returned. Called on another thread of the world.
  virtual void join() = 0;

  /// The calling thread; null outside a simulated world.
  [[nodiscard]] static SimulatedThread* here() { return here_; }

 protected:
  static void set_here(SimulatedThread* thread) {
    here_ = thread;
    Sleeper::set_here(thread);
  }

 private:
  static inline constinit thread_local SimulatedThread* here_ = nullptr;
};

/// The monotonic time of the calling thread's world, as net::SystemClock has it outside of
/// simulated ones. For callers outside of a loop.
[[nodiscard]] inline TimePoint thread_now() {
  if (const SimulatedThread* const self = SimulatedThread::here()) return self->now();
  return TimePoint(std::chrono::steady_clock::now().time_since_epoch()) + time_shift();
}

}  // namespace dohle
