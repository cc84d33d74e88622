#pragma once

#include <chrono>

#include "base/time_shift.hpp"

namespace dohle::telemetry {

/// The wall clock's time, as net::SystemClock has it, for spans and deadlines of messages.
[[nodiscard]] inline std::chrono::system_clock::time_point wall_now() {
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(time_shift());
}

}  // namespace dohle::telemetry
