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

/// The result of one seed, whose applications call the public handles.
struct HandlesPlayed {
  Complaints complaints;
  Effects effects;
  std::uint64_t hash = 0;
  std::uint64_t events = 0;
  /// Threads of applications never ended, so the process cannot play another seed.
  bool is_stuck = false;
};

/// Plays one seed: a node with two topics, and others that come and go; a producer with two
/// threads, two members of a group, a publisher, two subscribers to a topic and two to a pattern,
/// an application that creates and deletes topics, and an administrator, each in a process of its
/// own. `trace` gets a line per event; if empty, no lines are made.
[[nodiscard]] HandlesPlayed play_handles(std::uint64_t seed,
                                         std::function<void(std::string_view)> trace);

}  // namespace dohle::simulation
