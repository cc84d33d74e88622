#pragma once

#include <algorithm>
#include <optional>

#include "base/time.hpp"

namespace dohle::messaging {

/// Decides when messages may pass, so that at most `burst` of them pass at once and `per_second`
/// over time. A message that has to wait has its turn reserved. Reads no clock. Not thread safe.
class TokenBucket {
 public:
  TokenBucket(double per_second, std::size_t burst)
      : apart_(std::max<Duration>(Duration(1), std::chrono::duration_cast<Duration>(
                                                   std::chrono::duration<double>(1 / per_second)))),
        ahead_(apart_ * static_cast<Duration::rep>(burst - 1)) {}

  /// The time at which the next message may pass, which it then does. Absent if that is later than
  /// `latest`; then it does not pass.
  [[nodiscard]] std::optional<TimePoint> take(TimePoint now, TimePoint latest) {
    const TimePoint free = std::max(next_, now - ahead_);
    const TimePoint turn = std::max(free, now);
    if (turn > latest) return std::nullopt;
    next_ = free + apart_;
    return turn;
  }

 private:
  const Duration apart_;
  /// The time by which a message may pass earlier, after a pause, than at an even pace.
  const Duration ahead_;
  TimePoint next_ = TimePoint::min();
};

}  // namespace dohle::messaging
