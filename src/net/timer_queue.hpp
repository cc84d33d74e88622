#pragma once

#include <map>
#include <unordered_map>
#include <utility>

#include "base/executor.hpp"

namespace dohle::net {

/// Armed timers in the order of their times; those of one time fire in the order of arming.
/// Owns no clock: the loop asks it what is due.
class TimerQueue {
 public:
  TimerId arm(TimePoint at, Task task);
  void cancel(TimerId id);
  /// When the next one is due; `never` if there is none.
  [[nodiscard]] TimePoint next() const;
  /// Takes the first task that is due at `now`; an empty Task if none is.
  [[nodiscard]] Task take_due(TimePoint now);

 private:
  std::map<std::pair<TimePoint, TimerId>, Task> tasks_;
  std::unordered_map<TimerId, TimePoint> times_;
  TimerId last_id_ = 0;
};

}  // namespace dohle::net
