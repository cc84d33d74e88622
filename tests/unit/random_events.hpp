#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/random.hpp"

namespace dohle::test {

/// Runs `play(random)` for the seeds 1 to `count`. Stops at the first failure and prints its seed.
/// Environment: DOHLE_RANDOM_SEEDS overrides the count, DOHLE_RANDOM_SEED selects a single seed.
template <class Play>
void play_seeds(std::uint64_t count, Play play) {
  const auto number = [](const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
  };
  const std::uint64_t only = number("DOHLE_RANDOM_SEED", 0);
  const std::uint64_t last = only != 0 ? only : number("DOHLE_RANDOM_SEEDS", count);
  for (std::uint64_t seed = only != 0 ? only : 1; seed <= last; ++seed) {
    SCOPED_TRACE("DOHLE_RANDOM_SEED=" + std::to_string(seed));
    // Recorded first, since a failed assertion ends the process without a report of the test
    // framework.
    testing::Test::RecordProperty("seed", std::to_string(seed));
    SeededRandom random(seed);
    play(random);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace dohle::test
