#pragma once

#include <chrono>
#include <memory>

#include "base/executor.hpp"
#include "base/time.hpp"

namespace dohle {

/// A thread of a simulated world, in which one thread runs at a time and time is virtual. What
/// waits, reads the time or starts threads outside of a loop asks for it first, so that users'
/// blocking calls run there as they are.
class SimulatedThread {
 public:
  virtual ~SimulatedThread() = default;
  [[nodiscard]] virtual TimePoint now() const = 0;
  /// Lets the world go on until `wake` is called or `until` has passed. On this thread.
  virtual void stand_still(TimePoint until) = 0;
  /// On any thread of the world.
  virtual void wake() = 0;
  /// Starts a thread of the same simulated process. On this thread.
  [[nodiscard]] virtual std::shared_ptr<SimulatedThread> start(Task body) = 0;
  /// Stands still until this thread's body has returned. On another thread of the world.
  virtual void join() = 0;

  /// The calling thread; null outside of a simulated world.
  [[nodiscard]] static SimulatedThread* here() { return here_; }

 protected:
  static void set_here(SimulatedThread* thread) { here_ = thread; }

 private:
  static inline constinit thread_local SimulatedThread* here_ = nullptr;
};

/// The monotonic time of the calling thread's world. For callers outside of a loop.
[[nodiscard]] inline TimePoint thread_now() {
  if (const SimulatedThread* const self = SimulatedThread::here()) return self->now();
  return TimePoint(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace dohle
