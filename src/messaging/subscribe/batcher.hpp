#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "base/time.hpp"

namespace dohle::messaging {

/// Puts the items of each lane together to batches. A batch is due when its lane has `size` items,
/// or when the due time of one of them has come, whichever is first. Items that must keep their
/// order share a lane: a lane has one batch at a time, with its items in the order of their pushes,
/// until each of them is finished. Decides only: it reads no clock and starts no thread. Not thread
/// safe.
template <class Item>
class Batcher {
 public:
  /// `size` is at least 1.
  Batcher(std::size_t lanes, std::size_t size) : lanes_(lanes), size_(size) {
    DOHLE_ASSERT(lanes > 0 && size > 0, "batches need a lane and a size");
  }

  /// Number of waiting items, including those that wait for a retry.
  [[nodiscard]] std::size_t queued() const { return queued_; }

  /// The lane's batch is due at `due` at the latest.
  void push(std::size_t lane, Item item, TimePoint due) {
    BatchLane& to = lanes_[lane];
    to.due = std::min(to.due, due);
    to.waiting.push_back({std::move(item), due});
    ++queued_;
  }
  /// Puts `item` in front of its lane, which then waits until `at` and is due.
  void push_retry(std::size_t lane, Item item, TimePoint at) {
    BatchLane& to = lanes_[lane];
    to.due = std::min(to.due, at);
    to.not_before = std::max(to.not_before, at);
    to.waiting.push_front({std::move(item), at, at});
    ++queued_;
  }
  /// Makes the batches due of which an item satisfies `predicate`, retries excepted.
  template <class Predicate>
  void hurry_if(Predicate predicate) {
    for (BatchLane& lane : lanes_) {
      for (Entry& entry : lane.waiting) {
        if (predicate(entry.item)) entry.due = TimePoint::min();
      }
      lane.look_at_entries();
    }
  }

  /// The items of the batch that is due for the longest time, in a row. Empty if none is due. Its
  /// lane is busy until `finish` was called for each item.
  [[nodiscard]] std::vector<Item> take(TimePoint now) {
    BatchLane* chosen = nullptr;
    for (BatchLane& lane : lanes_) {
      if (ready_at(lane) > now) continue;
      if (chosen == nullptr || lane.due < chosen->due) chosen = &lane;
    }
    std::vector<Item> batch;
    if (chosen == nullptr) return batch;
    const std::size_t count = std::min(size_, chosen->waiting.size());
    batch.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      batch.push_back(std::move(chosen->waiting.front().item));
      chosen->waiting.pop_front();
    }
    queued_ -= count;
    chosen->unfinished = count;
    chosen->look_at_entries();
    return batch;
  }

  /// One of the items of the lane's batch is done.
  void finish(std::size_t lane) {
    DOHLE_ASSERT_COSTLY(lanes_[lane].unfinished > 0, "an item is finished whose lane has no batch");
    --lanes_[lane].unfinished;
  }

  /// The next time at which take may return a batch. `never` if a push or finish has to come first.
  [[nodiscard]] TimePoint next_time() const {
    TimePoint next = never;
    for (const BatchLane& lane : lanes_) next = std::min(next, ready_at(lane));
    return next;
  }

  /// Drops the waiting items for which `predicate` is true. A lane whose retry is dropped no longer
  /// waits for it.
  template <class Predicate>
  void drop_if(Predicate predicate) {
    for (BatchLane& lane : lanes_) {
      queued_ -=
          std::erase_if(lane.waiting, [&](const Entry& entry) { return predicate(entry.item); });
      lane.look_at_entries();
    }
  }

  /// Calls `f(lane, item)` for each waiting item.
  template <class F>
  void for_each(F f) const {
    for (std::size_t index = 0; index < lanes_.size(); ++index) {
      for (const Entry& entry : lanes_[index].waiting) f(index, entry.item);
    }
  }
  /// Number of items that were taken and are not finished.
  [[nodiscard]] std::size_t unfinished() const {
    std::size_t sum = 0;
    for (const BatchLane& lane : lanes_) sum += lane.unfinished;
    return sum;
  }

  /// Asserts the invariants that hold between two events. Walks all lanes.
  void check_invariants() const {
    std::size_t queued = 0;
    for (const BatchLane& lane : lanes_) {
      queued += lane.waiting.size();
      BatchLane other = {.waiting = lane.waiting};
      other.look_at_entries();
      DOHLE_ASSERT(other.due == lane.due && other.not_before == lane.not_before,
                   "a lane's times are not those of its items");
      DOHLE_ASSERT(lane.unfinished <= size_, "a batch has more items than its size");
    }
    DOHLE_ASSERT(queued_ == queued, "the waiting items are miscounted");
  }

 private:
  struct Entry {
    Item item;
    TimePoint due;
    /// The earliest time of a retry.
    TimePoint not_before = TimePoint::min();
  };
  struct BatchLane {
    std::deque<Entry> waiting = {};
    /// The earliest due time of the waiting items, and the latest time of their retries.
    TimePoint due = never;
    TimePoint not_before = TimePoint::min();
    /// Items of the batch that was taken.
    std::size_t unfinished = 0;

    void look_at_entries() {
      due = never;
      not_before = TimePoint::min();
      for (const Entry& entry : waiting) {
        due = std::min(due, entry.due);
        not_before = std::max(not_before, entry.not_before);
      }
    }
  };

  [[nodiscard]] TimePoint ready_at(const BatchLane& lane) const {
    if (lane.unfinished > 0 || lane.waiting.empty()) return never;
    const bool is_whole = lane.waiting.size() >= size_;
    return std::max(lane.not_before, is_whole ? TimePoint::min() : lane.due);
  }

  std::vector<BatchLane> lanes_;
  const std::size_t size_;
  std::size_t queued_ = 0;
};

}  // namespace dohle::messaging
