#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "base/time.hpp"

namespace dohle::messaging {

/// Hands items to any number of workers so that the items of one lane are processed one after the
/// other. Items that must keep their order share a lane; unrelated items may share one by chance.
template <class Item>
class Lanes {
 public:
  explicit Lanes(std::size_t count) : lanes_(count) {}

  [[nodiscard]] std::size_t count() const { return lanes_.size(); }
  /// Number of waiting items, including those that wait for a retry.
  [[nodiscard]] std::size_t queued() const { return queued_; }

  void push(std::size_t lane, Item item) {
    lanes_[lane].items.push_back(std::move(item));
    ++queued_;
    offer(lane);
  }

  /// Puts `item` in front of its lane, which then waits until `at`.
  void push_retry(std::size_t lane, Item item, TimePoint at) {
    lanes_[lane].items.push_front(std::move(item));
    ++queued_;
    lanes_[lane].blocked_until = std::max(lanes_[lane].blocked_until, at);
    retries_.emplace(at, lane);
  }

  /// Calls `f(lane, item)` for each waiting item.
  template <class F>
  void for_each(F f) const {
    for (std::size_t index = 0; index < lanes_.size(); ++index) {
      for (const Item& item : lanes_[index].items) f(index, item);
    }
  }
  [[nodiscard]] std::size_t busy() const {
    return static_cast<std::size_t>(std::ranges::count(lanes_, true, &Lane::is_busy));
  }

  /// Asserts the invariants that hold between two events. Walks all lanes.
  void check_invariants() const {
    std::size_t queued = 0, ready = 0;
    for (const Lane& lane : lanes_) {
      queued += lane.items.size();
      ready += lane.is_ready ? 1 : 0;
      const bool is_blocked = lane.blocked_until != TimePoint::min();
      DOHLE_ASSERT(lane.items.empty() || lane.is_busy || is_blocked || lane.is_ready,
                   "a free lane with items is not offered to workers");
      DOHLE_ASSERT(!is_blocked || !retries_.empty(), "a lane is blocked and no retry is scheduled");
    }
    DOHLE_ASSERT(queued_ == queued, "the waiting items are miscounted");
    DOHLE_ASSERT(ready_.size() == ready, "a lane is offered twice, or is not");
    for (const std::size_t index : ready_) {
      DOHLE_ASSERT(lanes_[index].is_ready, "a lane is offered that is not ready");
    }
  }

  /// The next item of a free lane. The lane is busy until `finish`.
  std::optional<Item> take() {
    while (!ready_.empty()) {
      const std::size_t index = ready_.front();
      ready_.pop_front();
      Lane& lane = lanes_[index];
      lane.is_ready = false;
      if (lane.is_busy || lane.items.empty() || lane.blocked_until != TimePoint::min()) continue;
      Item item = std::move(lane.items.front());
      lane.items.pop_front();
      --queued_;
      lane.is_busy = true;
      return item;
    }
    return std::nullopt;
  }

  void finish(std::size_t lane) {
    DOHLE_ASSERT(lanes_[lane].is_busy, "a lane is finished that is not busy");
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
      Lane& lane = lanes_[index];
      if (lane.items.empty()) continue;
      const bool is_first_dropped = predicate(lane.items.front());
      queued_ -= lane.items.remove_if(predicate);
      if (!is_first_dropped || lane.blocked_until == TimePoint::min()) continue;
      lane.blocked_until = TimePoint::min();
      offer(index);
    }
  }

 private:
  struct Lane {
    std::list<Item> items;
    TimePoint blocked_until = TimePoint::min();
    bool is_busy = false;
    bool is_ready = false;
  };

  void offer(std::size_t index) {
    Lane& lane = lanes_[index];
    if (lane.is_busy || lane.is_ready || lane.items.empty()) return;
    if (lane.blocked_until != TimePoint::min()) return;
    lane.is_ready = true;
    ready_.push_back(index);
  }

  std::vector<Lane> lanes_;
  std::deque<std::size_t> ready_;
  std::multimap<TimePoint, std::size_t> retries_;
  std::size_t queued_ = 0;
};

}  // namespace dohle::messaging
