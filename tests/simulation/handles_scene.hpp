#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/complaints.hpp"
#include "simulation/effects.hpp"

namespace dohle::simulation {

/// What one seed's applications, which call the public handles, came to.
struct HandlesPlayed {
  Complaints complaints;
  Effects effects;
  std::uint64_t hash = 0;
  std::uint64_t events = 0;
  /// Threads of applications that never ended: the process cannot go on with another seed.
  bool is_stuck = false;
};

/// Plays one seed: a node with two topics; a producer with two threads, two members of a group, a
/// publisher, a subscriber, an administrator, all in processes of their own. `trace` gets each line
/// of what happens; empty: none is worded.
[[nodiscard]] HandlesPlayed play_handles(std::uint64_t seed,
                                         std::function<void(std::string_view)> trace);

}  // namespace dohle::simulation
