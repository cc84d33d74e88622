#pragma once

#include <thread>

#include "base/brief_wait.hpp"

namespace dohle {

/// Yields the CPU to the thread that was just woken. Stops yielding for a while when other threads
/// keep the CPU for more than 200 us. For use by one thread.
class CoreYield {
 public:
  /// False if it did not yield, because other threads kept the CPU before.
  bool give_up(const Clock& clock) {
    if (!yields_.is_worth_it()) return false;
    const TimePoint began = clock.mono();
    std::this_thread::yield();
    yields_.took(clock.mono() - began);
    return true;
  }

 private:
  BriefWait yields_{std::chrono::microseconds(200)};
};

}  // namespace dohle
