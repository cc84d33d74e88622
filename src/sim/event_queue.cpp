#include "sim/event_queue.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace dohle::sim {

bool EventQueue::later(const Entry& a, const Entry& b) {
  return a.at != b.at ? a.at > b.at : a.order > b.order;
}

EventQueue::Id EventQueue::add(TimePoint at, Task task) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  slots_[slot].task = std::move(task);
  heap_.push_back({at, next_order_++, slot, slots_[slot].generation});
  std::ranges::push_heap(heap_, later);
  return Id{slots_[slot].generation} << 32 | slot;
}

Task EventQueue::empty_slot(std::uint32_t slot) {
  ++slots_[slot].generation;
  free_.push_back(slot);
  return std::exchange(slots_[slot].task, nullptr);
}

void EventQueue::cancel(Id id) {
  const auto slot = static_cast<std::uint32_t>(id);
  if (slot >= slots_.size() || slots_[slot].generation != id >> 32) return;
  // Destroyed after the queue is consistent again: captures of the task may call the queue.
  const Task dropped = empty_slot(slot);
}

void EventQueue::drop_cancelled() {
  while (!heap_.empty() && slots_[heap_.front().slot].generation != heap_.front().generation) {
    std::ranges::pop_heap(heap_, later);
    heap_.pop_back();
  }
}

std::optional<TimePoint> EventQueue::next_at() {
  drop_cancelled();
  if (heap_.empty()) return std::nullopt;
  return heap_.front().at;
}

Task EventQueue::take() {
  drop_cancelled();
  DOHLE_ASSERT(!heap_.empty(), "an event is taken from an empty queue");
  const std::uint32_t slot = heap_.front().slot;
  std::ranges::pop_heap(heap_, later);
  heap_.pop_back();
  return empty_slot(slot);
}

void EventQueue::clear() {
  heap_.clear();
  while (!slots_.empty()) {
    const Task dropped = std::move(slots_.back().task);
    slots_.pop_back();
  }
  free_.clear();
}

}  // namespace dohle::sim
