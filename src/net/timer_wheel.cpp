#include "net/timer_wheel.hpp"

#include <algorithm>
#include <bit>
#include <tuple>
#include <utility>

#include "base/assert.hpp"

namespace dohle::net {

namespace {

constexpr std::int64_t slot_mask = 63;

std::int64_t milliseconds_of(TimePoint at) {
  return std::chrono::floor<std::chrono::milliseconds>(at).time_since_epoch().count();
}
TimePoint time_of(std::int64_t milliseconds) {
  return TimePoint{std::chrono::milliseconds(milliseconds)};
}

}  // namespace

TimerWheel::TimerWheel(TimePoint start) : now_(milliseconds_of(start)) {
  first_.fill(none);
  last_.fill(none);
}

TimerId TimerWheel::id_of(std::uint32_t index) const {
  return (std::uint64_t{timers_[index].generation} << 32) | (index + 1);
}

std::uint32_t TimerWheel::find(TimerId id) const {
  const auto index = static_cast<std::uint32_t>(id) - 1;
  if (id == 0 || index >= timers_.size() || timers_[index].generation != id >> 32) return none;
  return index;
}

TimerId TimerWheel::arm(TimePoint at, Task task) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(timers_.size()));
    timers_.emplace_back();
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  Timer& timer = timers_[index];
  DOHLE_ASSERT(!timer.task, "a timer that is free has a task");
  timer.at = at;
  timer.order = ++last_order_;
  timer.task = std::move(task);
  place(index);
  if (next_is_known_) next_ = std::min(next_, at);
  return id_of(index);
}

void TimerWheel::cancel(TimerId id) {
  const std::uint32_t index = find(id);
  if (index == none) return;
  // Destroying the task may cancel more timers. The wheel is consistent again by then.
  const Task task = std::move(timers_[index].task);
  if (timers_[index].at <= next_) next_is_known_ = false;
  take_out(index);
  free(index);
}

// The wheel of a timer is that of the highest digit (to base 64) in which its time differs from
// now. So the timers of a lower wheel all come before those of a higher one.
void TimerWheel::place(std::uint32_t index) {
  Timer& timer = timers_[index];
  const std::int64_t horizon = now_ | ((std::int64_t{1} << (wheels * slot_bits)) - 1);
  const std::int64_t at = std::clamp(milliseconds_of(timer.at), now_, horizon);
  const auto differing = static_cast<std::uint64_t>((at ^ now_) | slot_mask);
  const int wheel = static_cast<int>(std::bit_width(differing) - 1) / slot_bits;
  const auto digit = static_cast<std::uint16_t>((at >> (wheel * slot_bits)) & slot_mask);
  timer.slot = static_cast<std::uint16_t>((wheel << slot_bits) | digit);
  timer.before = last_[timer.slot];
  timer.after = none;
  (timer.before == none ? first_[timer.slot] : timers_[timer.before].after) = index;
  last_[timer.slot] = index;
  occupied_[static_cast<std::size_t>(wheel)] |= std::uint64_t{1} << digit;
}

void TimerWheel::take_out(std::uint32_t index) {
  Timer& timer = timers_[index];
  if (timer.slot == not_in_slot) return;
  (timer.before == none ? first_[timer.slot] : timers_[timer.before].after) = timer.after;
  (timer.after == none ? last_[timer.slot] : timers_[timer.after].before) = timer.before;
  if (first_[timer.slot] == none) {
    occupied_[timer.slot >> slot_bits] &= ~(std::uint64_t{1} << (timer.slot & slot_mask));
  }
  timer.slot = not_in_slot;
}

void TimerWheel::free(std::uint32_t index) {
  ++timers_[index].generation;
  free_.push_back(index);
}

int TimerWheel::first_wheel() const {
  for (int wheel = 0; wheel < wheels; ++wheel) {
    if (occupied_[static_cast<std::size_t>(wheel)] != 0) return wheel;
  }
  return -1;
}

std::int64_t TimerWheel::begin_of(int wheel, int slot) const {
  const int shift = wheel * slot_bits;
  const std::int64_t higher_digits = (now_ >> (shift + slot_bits)) << (shift + slot_bits);
  return higher_digits | (std::int64_t{slot} << shift);
}

TimePoint TimerWheel::next() {
  if (next_is_known_) return next_;
  next_is_known_ = true;
  next_ = never;
  const int wheel = first_wheel();
  if (wheel < 0) return next_;
  const int slot = std::countr_zero(occupied_[static_cast<std::size_t>(wheel)]);
  if (wheel > 0) return next_ = time_of(begin_of(wheel, slot));
  for (std::uint32_t i = first_[static_cast<std::size_t>(slot)]; i != none; i = timers_[i].after) {
    next_ = std::min(next_, timers_[i].at);
  }
  return next_;
}

void TimerWheel::expire(TimePoint now) {
  const std::int64_t until = milliseconds_of(now);
  for (;;) {
    const int wheel = first_wheel();
    if (wheel < 0) break;
    const int slot = std::countr_zero(occupied_[static_cast<std::size_t>(wheel)]);
    const std::int64_t begin = begin_of(wheel, slot);
    if (begin > until) break;
    if (wheel == 0 && begin == until && next_is_known_ && next_ > now) break;
    now_ = std::max(now_, begin);
    next_is_known_ = false;
    if (wheel > 0) {
      spread(wheel, slot);
      continue;
    }
    collect(static_cast<std::uint32_t>(slot), now);
    if (begin == until) break;  // its other timers are due later in this millisecond
  }
  // `next_` is the beginning of a slot that cancelling emptied. It must not be returned again.
  if (next_is_known_ && next_ <= now) next_is_known_ = false;
  // No remaining slot begins before `until`, so every timer is in the wheel in which it would be
  // placed now.
  now_ = std::max(now_, until);
  std::sort(
      due_.begin() + static_cast<std::ptrdiff_t>(due_taken_), due_.end(),
      [](const Due& a, const Due& b) { return std::tie(a.at, a.order) < std::tie(b.at, b.order); });
}

void TimerWheel::spread(int wheel, int slot) {
  DOHLE_ASSERT(wheel > 0, "slots of the first wheel are not spread");
  const auto from = static_cast<std::size_t>((wheel << slot_bits) | slot);
  std::uint32_t index = std::exchange(first_[from], none);
  last_[from] = none;
  occupied_[static_cast<std::size_t>(wheel)] &= ~(std::uint64_t{1} << slot);
  while (index != none) place(std::exchange(index, timers_[index].after));
}

void TimerWheel::collect(std::uint32_t slot, TimePoint now) {
  for (std::uint32_t index = first_[slot]; index != none;) {
    const std::uint32_t after = timers_[index].after;
    if (timers_[index].at <= now) {
      due_.push_back({timers_[index].at, timers_[index].order, id_of(index)});
      take_out(index);
    }
    index = after;
  }
}

Task TimerWheel::take_due() {
  while (due_taken_ < due_.size()) {
    const std::uint32_t index = find(due_[due_taken_++].id);
    if (index == none) continue;  // cancelled by a task before it
    DOHLE_ASSERT(timers_[index].slot == not_in_slot, "a due timer is still in its wheel");
    Task task = std::move(timers_[index].task);
    free(index);
    return task;
  }
  due_.clear();
  due_taken_ = 0;
  return {};
}

std::vector<Task> TimerWheel::take_all() {
  std::vector<Task> tasks;
  for (std::uint32_t index = 0; index < timers_.size(); ++index) {
    if (!timers_[index].task) continue;
    tasks.push_back(std::move(timers_[index].task));
    take_out(index);
    free(index);
  }
  next_is_known_ = false;
  return tasks;
}

}  // namespace dohle::net
