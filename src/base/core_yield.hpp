#pragma once

#include <thread>

#include "base/brief_wait.hpp"

namespace dohle {

/// Gives up the calling thread's core, so that who was just woken, or anybody else, has it now; and
/// not for a while where others keep it for more than 200 us. One thread's.
class CoreYield {
 public:
  /// False: it was not given up, for others would keep it.
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
