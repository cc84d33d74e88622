#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "base/time.hpp"

namespace dohle::node {

/// Connections that still have to prove something within a time, by their age and their origin.
/// Reads no clock. Not thread safe.
class Newcomers {
 public:
  /// Ids are those of sessions: they grow, and so do the times.
  void add(std::uint64_t id, std::string origin, TimePoint until);
  /// Ignores an id that it does not have.
  void remove(std::uint64_t id);
  void clear();

  [[nodiscard]] bool empty() const { return by_id_.empty(); }
  [[nodiscard]] std::size_t size() const { return by_id_.size(); }
  [[nodiscard]] bool contains(std::uint64_t id) const { return by_id_.contains(id); }
  /// The time of the oldest one. Call it only if there is one.
  [[nodiscard]] TimePoint first_until() const { return by_id_.begin()->second.until; }
  /// The oldest one. Call it only if there is one.
  [[nodiscard]] std::uint64_t oldest() const { return by_id_.begin()->first; }

  struct Excess {
    std::uint64_t id = 0;
    /// The number of connections of its origin.
    std::size_t of_origin = 0;
  };
  /// The connection that has to go if there are too many: the oldest of the origin that has most,
  /// so that one origin cannot take the places of the others. Of several such origins it is the one
  /// with the oldest connection. Call it only if there is one.
  [[nodiscard]] Excess excess() const;
  void check_invariants() const;

 private:
  struct Newcomer {
    TimePoint until;
    std::string origin;
  };
  std::map<std::uint64_t, Newcomer> by_id_;
  std::map<std::string, std::set<std::uint64_t>> by_origin_;
};

}  // namespace dohle::node
