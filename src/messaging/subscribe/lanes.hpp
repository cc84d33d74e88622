#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "base/time.hpp"
#include "messaging/subscribe/ring.hpp"

namespace dohle::messaging {

/// Hands items to any number of workers so that the items of one lane are processed one after the
/// other. Items that must keep their order share a lane; unrelated items may share one by chance.
/// The lanes' lists share one block of memory, which is as large as the most items that waited.
template <class Item>
class Lanes {
 public:
  explicit Lanes(std::size_t count) : lanes_(count) {}

  [[nodiscard]] std::size_t count() const { return lanes_.size(); }
  /// Number of waiting items, including those that wait for a retry.
  [[nodiscard]] std::size_t queued() const { return queued_; }

  void push(std::size_t lane, Item item) {
    const Place place = place_for(std::move(item));
    KeyLane& to = lanes_[lane];
    (to.first == nowhere ? to.first : nodes_[to.last].next) = place;
    to.last = place;
    offer(lane);
  }

  /// Puts `item` in front of its lane, which then waits until `at`.
  void push_retry(std::size_t lane, Item item, TimePoint at) {
    const Place place = place_for(std::move(item));
    KeyLane& to = lanes_[lane];
    if (to.first == nowhere) to.last = place;
    nodes_[place].next = std::exchange(to.first, place);
    to.blocked_until = std::max(to.blocked_until, at);
    retries_.emplace(at, lane);
  }

  /// Calls `f(lane, item)` for each waiting item.
  template <class F>
  void for_each(F f) const {
    for (std::size_t index = 0; index < lanes_.size(); ++index) {
      for (Place at = lanes_[index].first; at != nowhere; at = nodes_[at].next) {
        f(index, nodes_[at].item);
      }
    }
  }
  [[nodiscard]] std::size_t busy() const {
    return static_cast<std::size_t>(std::ranges::count(lanes_, true, &KeyLane::is_busy));
  }

  /// Asserts the invariants that hold between two events. Walks all lanes.
  void check_invariants() const {
    std::size_t queued = 0, ready = 0;
    for (const KeyLane& lane : lanes_) {
      for (Place at = lane.first; at != nowhere; at = nodes_[at].next) ++queued;
      ready += lane.is_ready ? 1 : 0;
      const bool is_blocked = lane.blocked_until != TimePoint::min();
      DOHLE_ASSERT(lane.is_empty() || lane.is_busy || is_blocked || lane.is_ready,
                   "a free lane with items is not offered to workers");
      DOHLE_ASSERT(!is_blocked || !retries_.empty(), "a lane is blocked and no retry is scheduled");
    }
    DOHLE_ASSERT(queued_ == queued, "the waiting items are miscounted");
    DOHLE_ASSERT(ready_.size() == ready, "a lane is offered twice, or is not");
    for (std::size_t index = 0; index < ready_.size(); ++index) {
      DOHLE_ASSERT(lanes_[ready_[index]].is_ready, "a lane is offered that is not ready");
    }
  }

  /// True if `take` may return an item.
  [[nodiscard]] bool has_ready() const { return !ready_.empty(); }

  /// Moves the next item of a free lane to `taken`. False if there is none. The lane is busy until
  /// `finish`.
  [[nodiscard]] bool take(Item& taken) {
    while (!ready_.empty()) {
      const std::size_t index = ready_.front();
      ready_.pop_front();
      KeyLane& lane = lanes_[index];
      lane.is_ready = false;
      if (lane.is_busy || lane.is_empty() || lane.blocked_until != TimePoint::min()) continue;
      const Place place = lane.first;
      lane.first = nodes_[place].next;
      lane.is_busy = true;
      taken = leave(place);
      return true;
    }
    return false;
  }

  void finish(std::size_t lane) {
    DOHLE_ASSERT_COSTLY(lanes_[lane].is_busy, "a lane is finished that is not busy");
    lanes_[lane].is_busy = false;
    offer(lane);
  }

  /// Unblocks the lanes whose retry is due.
  void on_time(TimePoint now) {
    while (!retries_.empty() && retries_.begin()->first <= now) {
      const std::size_t lane = retries_.begin()->second;
      retries_.erase(retries_.begin());
      if (lanes_[lane].blocked_until > now) continue;
      lanes_[lane].blocked_until = TimePoint::min();
      offer(lane);
    }
  }
  [[nodiscard]] TimePoint next_time() const {
    return retries_.empty() ? never : retries_.begin()->first;
  }

  /// Drops the waiting items for which `predicate` is true. A lane whose retry is dropped is
  /// unblocked.
  template <class Predicate>
  void drop_if(Predicate predicate) {
    for (std::size_t index = 0; index < lanes_.size(); ++index) {
      KeyLane& lane = lanes_[index];
      if (lane.is_empty()) continue;
      const bool is_first_dropped = predicate(nodes_[lane.first].item);
      remove_from(lane, predicate);
      if (!is_first_dropped || lane.blocked_until == TimePoint::min()) continue;
      lane.blocked_until = TimePoint::min();
      offer(index);
    }
  }

 private:
  using Place = std::uint32_t;
  static constexpr Place nowhere = std::numeric_limits<Place>::max();
  struct Node {
    Item item = Item();
    Place next = nowhere;
  };
  struct KeyLane {
    [[nodiscard]] bool is_empty() const { return first == nowhere; }
    Place first = nowhere;
    /// Valid if the lane is not empty.
    Place last = nowhere;
    TimePoint blocked_until = TimePoint::min();
    bool is_busy = false;
    bool is_ready = false;
  };

  [[nodiscard]] Place place_for(Item item) {
    ++queued_;
    if (free_ == nowhere) {
      DOHLE_ASSERT(nodes_.size() < nowhere, "more items wait than lanes can hold");
      nodes_.push_back({std::move(item)});
      return static_cast<Place>(nodes_.size() - 1);
    }
    const Place place = free_;
    Node& node = nodes_[place];
    free_ = std::exchange(node.next, nowhere);
    node.item = std::move(item);
    return place;
  }
  [[nodiscard]] Item leave(Place place) {
    --queued_;
    Node& node = nodes_[place];
    node.next = std::exchange(free_, place);
    return std::exchange(node.item, Item());
  }
  template <class Predicate>
  void remove_from(KeyLane& lane, Predicate predicate) {
    Place kept = nowhere;
    for (Place at = std::exchange(lane.first, nowhere); at != nowhere;) {
      const Place next = nodes_[at].next;
      if (predicate(nodes_[at].item)) {
        (void)leave(at);
      } else {
        (kept == nowhere ? lane.first : nodes_[kept].next) = at;
        nodes_[at].next = nowhere;
        kept = at;
      }
      at = next;
    }
    lane.last = kept;
  }

  void offer(std::size_t index) {
    KeyLane& lane = lanes_[index];
    if (lane.is_busy || lane.is_ready || lane.is_empty()) return;
    if (lane.blocked_until != TimePoint::min()) return;
    lane.is_ready = true;
    ready_.push_back(index);
  }

  std::vector<KeyLane> lanes_;
  std::vector<Node> nodes_;
  /// The first of the nodes without an item.
  Place free_ = nowhere;
  Ring<std::size_t> ready_;
  std::multimap<TimePoint, std::size_t> retries_;
  std::size_t queued_ = 0;
};

}  // namespace dohle::messaging
