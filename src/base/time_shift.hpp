#pragma once

#include <atomic>
#include <cstdint>

#include "base/time.hpp"

namespace dohle {

/// Set by IdleWatch alone.
inline constinit std::atomic<std::int64_t> shifted_nanoseconds{0};

/// How far the library's clocks run ahead of the system's: 0, unless a test has moved the time of
/// this process on (dohle::testing). It only grows. One load. Thread safety: any thread.
[[nodiscard]] inline Duration time_shift() {
  return Duration(shifted_nanoseconds.load(std::memory_order_relaxed));
}

}  // namespace dohle
