#pragma once

#include "base/time.hpp"

namespace dohle {

/// A thread whose waits others know of: one of a simulated world, or one of a process whose test
/// moves the time on. WaitPoint lets it wait and wakes it through this interface.
class Sleeper {
 public:
  virtual ~Sleeper() = default;
  [[nodiscard]] virtual TimePoint now() const = 0;
  /// Blocks this thread until `wake` is called or `until` has passed. May also return earlier.
  /// Called on this thread.
  virtual void stand_still(TimePoint until) = 0;
  /// Ends stand_still. Called on any thread.
  virtual void wake() = 0;

  /// The calling thread; null if its waits are its own affair.
  [[nodiscard]] static Sleeper* here() { return here_; }

 protected:
  static void set_here(Sleeper* thread) { here_ = thread; }

 private:
  static inline constinit thread_local Sleeper* here_ = nullptr;
};

}  // namespace dohle
