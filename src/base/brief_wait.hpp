#pragma once

#include <algorithm>

#include "base/time.hpp"

namespace dohle {

/// Decides whether to repeat an operation that pays only while it is brief. After three long runs
/// in a row it is skipped for the next 64 times, then twice as often after each further long run,
/// at most 4,096 times.
class BriefWait {
 public:
  explicit constexpr BriefWait(Duration brief) : brief_(brief) {}

  /// Call it before each run. After true, run the operation and pass its duration to `took`.
  [[nodiscard]] bool is_worth_it() {
    if (passed_over_ == 0) return true;
    --passed_over_;
    return false;
  }
  void took(Duration span) {
    if (span <= brief_) {
      misses_ = pause_ = 0;
      return;
    }
    if (++misses_ < max_misses) return;
    pause_ = std::clamp(2 * pause_, min_pause, max_pause);
    passed_over_ = pause_;
  }

 private:
  static constexpr int max_misses = 3;
  static constexpr int min_pause = 64;
  static constexpr int max_pause = 4'096;

  const Duration brief_;
  int misses_ = 0;
  int pause_ = 0;
  int passed_over_ = 0;
};

}  // namespace dohle
