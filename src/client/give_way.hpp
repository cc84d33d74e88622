#pragma once

#include <algorithm>

#include "base/time.hpp"

namespace dohle::client {

/// Whether a loop that has just woken somebody gives up its core at once, so that he goes first
/// where the two share one, instead of after all that the loop has left to do. Where somebody else
/// takes the core instead, and keeps it, this is given up for a while: for 64 times, twice as many
/// with each further disappointment, 4,096 at most.
class GiveWay {
 public:
  /// Asked each time; after a yes the core is given up, and `took` told how long that was.
  [[nodiscard]] bool is_worth_it() {
    if (passed_over_ == 0) return true;
    --passed_over_;
    return false;
  }
  void took(Duration span) {
    if (span <= courtesy) {
      pause_ = 0;
      return;
    }
    pause_ = std::clamp(2 * pause_, pause_min, pause_max);
    passed_over_ = pause_;
  }

 private:
  /// Time for a poll to take its records and to wait again, many times over.
  static constexpr Duration courtesy = std::chrono::microseconds(200);
  static constexpr int pause_min = 64;
  static constexpr int pause_max = 4'096;

  int pause_ = 0;
  int passed_over_ = 0;
};

}  // namespace dohle::client
