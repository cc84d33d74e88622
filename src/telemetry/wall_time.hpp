#pragma once

#include <chrono>

namespace dohle::telemetry {

/// The system's time, for spans and deadlines of messages.
[[nodiscard]] inline std::chrono::system_clock::time_point wall_now() {
  return std::chrono::system_clock::now();
}

}  // namespace dohle::telemetry
