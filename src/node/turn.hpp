#pragma once

#include "base/executor.hpp"

namespace dohle::node {

/// The loop's turn has no time left: work that can continue in a later turn stops.
[[nodiscard]] inline bool is_turn_over(const Executor& loop) {
  const TimePoint end = loop.turn_end();
  return end != never && loop.mono_now() >= end;
}

}  // namespace dohle::node
