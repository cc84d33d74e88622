#pragma once

#include <chrono>
#include <cstdint>

#include "dohle/ids.hpp"

namespace dohle {

/// Monotonic time as a Clock tells it. Decisions get it as an argument and never read a clock.
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
