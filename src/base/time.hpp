#pragma once

#include <chrono>
#include <cstdint>

#include "dohle/ids.hpp"

namespace dohle {

/// The monotonic time of a Clock. Decisions receive it as an argument and never read a clock.
struct Monotonic {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<Monotonic>;
  static constexpr bool is_steady = true;
};
using TimePoint = Monotonic::time_point;
using Duration = Monotonic::duration;

inline constexpr TimePoint never = TimePoint::max();

/// A caller's timeout, limited to a year so that it can be added to a time point.
[[nodiscard]] constexpr std::chrono::milliseconds call_timeout(std::chrono::milliseconds asked) {
  constexpr std::chrono::milliseconds longest = std::chrono::hours(24 * 365);
  return asked < longest ? asked : longest;
}

/// `now` on both clocks, read together: deadlines use `mono`, records use `wall`.
struct Now {
  TimePoint mono;
  Timestamp wall;
};

/// The only source of time. Thread safety: any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual TimePoint mono() const = 0;
  [[nodiscard]] virtual Timestamp wall() const = 0;
  [[nodiscard]] Now now() const { return {mono(), wall()}; }
};

}  // namespace dohle
