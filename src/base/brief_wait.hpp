#pragma once

#include <algorithm>

#include "base/time.hpp"

namespace dohle {

/// Whether something that pays only while it is brief is still done. When it was not brief three
/// times in a row it is left alone for the next 64 times, and twice as many after each further
/// disappointment, 4,096 at most.
class BriefWait {
 public:
  explicit constexpr BriefWait(Duration brief) : brief_(brief) {}

  /// Asked each time; after a yes it is done, and `took` told how long that was.
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
