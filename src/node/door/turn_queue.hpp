#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "base/assert.hpp"
#include "base/time.hpp"

namespace dohle::node {

/// Connections whose requests wait for the node's thread. The connection that used least of it
/// lately is first; among equal ones, the one that waits longest (fair queueing).
///
/// Each connection has a mark that advances by the time it uses. A connection that was idle starts
/// at the mark of the last one served, so it cannot save up time. The order is by the marks after
/// the next use, if each connection uses as much as the last time: a connection that uses little is
/// first.
class TurnQueue {
 public:
  struct Mark {
    Duration at{};
    Duration last_use{};
  };

  /// `mark` belongs to the connection. A connection waits only once at a time.
  void wait(std::uint64_t connection, Mark& mark) {
    DOHLE_ASSERT_COSTLY(std::ranges::find(places_, connection, &Place::connection) == places_.end(),
                        "a connection waits twice");
    mark.at = std::max(mark.at, last_);
    places_.insert({mark.at + mark.last_use, ++arrivals_, connection, mark.at});
  }
  /// Removes and returns the next connection; absent if none waits.
  std::optional<std::uint64_t> take() {
    if (places_.empty()) return std::nullopt;
    const Place first = *places_.begin();
    places_.erase(places_.begin());
    last_ = std::max(last_, first.begin);
    return first.connection;
  }
  void forget(std::uint64_t connection) {
    std::erase_if(places_, [=](const Place& place) { return place.connection == connection; });
  }
  void charge(Mark& mark, Duration used) const {
    DOHLE_ASSERT(used >= Duration::zero(), "a request ends before it began");
    mark = {std::max(mark.at, last_) + used, used};
  }

  [[nodiscard]] bool empty() const { return places_.empty(); }
  [[nodiscard]] std::size_t size() const { return places_.size(); }
  void clear() { places_.clear(); }

 private:
  struct Place {
    Duration end;
    std::uint64_t arrival;
    std::uint64_t connection;
    Duration begin;
    auto operator<=>(const Place&) const = default;
  };

  std::set<Place> places_;
  std::uint64_t arrivals_ = 0;
  Duration last_{};
};

}  // namespace dohle::node
