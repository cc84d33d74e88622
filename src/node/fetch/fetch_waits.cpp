#include "node/fetch/fetch_waits.hpp"

#include <algorithm>

namespace dohle::node {

FetchWaits::~FetchWaits() {
  *is_alive_ = false;
  for (auto wait = waits_.begin(); wait != waits_.end();) wait = remove(wait);
}

void FetchWaits::add(std::uint64_t connection, std::vector<PartitionRef> partitions,
                     std::size_t bytes_missing, TimePoint deadline, FetchAttempt attempt) {
  auto wait = std::make_unique<FetchWait>();
  wait->id = {connection, ++last_number_};
  wait->attempt = std::move(attempt);
  wait->partitions = std::move(partitions);
  wait->bytes_missing = bytes_missing;
  wait->deadline = deadline;
  enlist(*wait);
  arm(*wait);
  const auto id = wait->id;
  waits_.emplace(id, std::move(wait));
}

void FetchWaits::enlist(FetchWait& wait) {
  wait.looks_by_itself = wait.partitions.size() > options_.max_pairs - pairs_;
  if (wait.looks_by_itself) {
    wait.partitions = {};
    return;
  }
  pairs_ += wait.partitions.size();
  wait.places.reserve(wait.partitions.size());
  for (std::uint32_t i = 0; i < wait.partitions.size(); ++i) {
    auto& waits = wait.partitions[i]->waits;
    wait.places.push_back(static_cast<std::uint32_t>(waits.size()));
    waits.push_back({&wait, i});
  }
}

// The last one of a partition takes the place that becomes free.
void FetchWaits::delist(FetchWait& wait) {
  pairs_ -= wait.partitions.size();
  for (std::size_t i = 0; i < wait.partitions.size(); ++i) {
    auto& waits = wait.partitions[i]->waits;
    const PartitionWait last = waits.back();
    waits[wait.places[i]] = last;
    last.wait->places[last.index] = wait.places[i];
    waits.pop_back();
  }
}

void FetchWaits::arm(FetchWait& wait) {
  const TimePoint next = wait.looks_by_itself ? loop_.tick().mono + options_.look_interval : never;
  wait.timer = loop_.arm(std::min(wait.deadline, next), [this, id = wait.id] { on_timer(id); });
}

void FetchWaits::on_timer(const std::pair<std::uint64_t, std::uint64_t>& id) {
  const auto due = waits_.find(id);
  if (due == waits_.end()) return;
  due->second->timer = 0;
  const bool is_last = loop_.tick().mono >= due->second->deadline;
  attempt(due, is_last);
  if (is_last) return;
  if (const auto still = waits_.find(id); still != waits_.end()) arm(*still->second);
}

void FetchWaits::advanced(Partition& partition, std::size_t bytes) {
  for (const auto& [wait, index] : partition.waits) {
    wait->bytes_missing -= std::min(wait->bytes_missing, bytes);
    if (wait->bytes_missing == 0) make_ready(*wait);
  }
}

void FetchWaits::changed(Partition& partition) {
  for (const auto& [wait, index] : partition.waits) make_ready(*wait);
}

// Tried at the end of the turn, so that one answer takes all that a turn brings.
void FetchWaits::make_ready(FetchWait& wait) {
  if (std::exchange(wait.is_ready, true)) return;
  ready_.push_back(wait.id);
  if (std::exchange(is_posted_, true)) return;
  loop_.post([this, alive = is_alive_] {
    if (*alive) try_ready();
  });
}

void FetchWaits::try_ready() {
  is_posted_ = false;
  for (const auto& id : std::exchange(ready_, {})) {
    const auto wait = waits_.find(id);
    if (wait == waits_.end()) continue;
    wait->second->is_ready = false;
    attempt(wait, false);
  }
  for (Task& task : std::exchange(after_ready_, {})) task();
}

void FetchWaits::after_ready(Task task) {
  if (!is_posted_) return task();
  after_ready_.push_back(std::move(task));
}

void FetchWaits::attempt(Waits::iterator wait, bool is_last) {
  const std::size_t missing = wait->second->attempt(is_last);
  if (missing == 0 || is_last) {
    remove(wait);
  } else {
    wait->second->bytes_missing = missing;
  }
}

FetchWaits::Waits::iterator FetchWaits::remove(Waits::iterator at) {
  FetchWait& wait = *at->second;
  loop_.cancel(wait.timer);
  delist(wait);
  return waits_.erase(at);
}

void FetchWaits::forget(std::uint64_t connection) {
  auto wait = waits_.lower_bound({connection, 0});
  while (wait != waits_.end() && wait->first.first == connection) wait = remove(wait);
}

void FetchWaits::answer_all() {
  while (!waits_.empty()) attempt(waits_.begin(), true);
}

}  // namespace dohle::node
