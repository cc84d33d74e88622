#include "node/fetch/fetch_waits.hpp"

#include <algorithm>
#include <iterator>

#include "base/assert.hpp"
#include "node/turn.hpp"

namespace dohle::node {

namespace {

// A list of at most this capacity is not shrunk.
constexpr std::size_t kept_waits = 64;

/// Time in each turn for tasks after ready fetches, whatever time the fetches took.
constexpr Duration time_of_tasks = std::chrono::milliseconds(1);

}  // namespace

FetchWaits::~FetchWaits() {
  *is_alive_ = false;
  for (auto wait = waits_.begin(); wait != waits_.end();) wait = remove(wait);
  for (const auto& wait : forgotten_) delist(*wait);
  loop_.cancel(look_timer_);
}

void FetchWaits::check_invariants() const {
  std::size_t pairs = 0;
  std::size_t lookers = 0;
  std::size_t ready = 0;
  std::size_t attempted = 0;
  const auto check = [&](const FetchWait& wait) {
    DOHLE_ASSERT(wait.fetch != nullptr, "a wait has no fetch");
    if (wait.looks_by_itself) {
      ++lookers;
      DOHLE_ASSERT(wait.partitions.empty(),
                   "a fetch that checks by itself has an entry at a partition");
      return;
    }
    pairs += wait.partitions.size();
    DOHLE_ASSERT(slots_[wait.slot] == &wait, "a wait's slot holds another");
    for (std::size_t i = 0; i < wait.partitions.size(); ++i) {
      const PartitionWait& there = wait.partitions[i]->waits[wait.places[i]];
      DOHLE_ASSERT(there.wait == wait.slot && there.index == i,
                   "a partition does not point at a fetch that waits for it");
    }
  };
  for (const auto& [id, wait] : waits_) {
    DOHLE_ASSERT(id == wait->id && id.second <= last_number_,
                 "a wait is stored under another one's id");
    ready += wait->is_ready ? 1 : 0;
    attempted += wait->is_attempted ? 1 : 0;
    check(*wait);
  }
  for (const auto& wait : forgotten_) check(*wait);
  DOHLE_ASSERT(pairs == pairs_ && pairs <= options_.max_pairs, "the pairs are miscounted");
  DOHLE_ASSERT(lookers == lookers_.size(), "the waits that look by themselves are miscounted");
  DOHLE_ASSERT(free_slots_.size() + size() - lookers == slots_.size(),
               "a slot is neither in use nor free");
  DOHLE_ASSERT(ready <= ready_.size(), "a fetch is ready and not tried");
  DOHLE_ASSERT(attempted <= (attempted_ ? 1 : 0), "an attempt has begun and does not go on");
  DOHLE_ASSERT(is_posted_ || (ready_.empty() && after_ready_.empty() && !attempted_),
               "fetches are ready and no task is posted to answer them");
  DOHLE_ASSERT(lookers_.empty() || is_looking_ || look_timer_ != 0,
               "fetches wait and no timer or task looks at them");
}

void FetchWaits::add(std::uint64_t connection, std::vector<PartitionRef> partitions,
                     std::size_t bytes_missing, TimePoint deadline,
                     std::unique_ptr<WaitingFetch> fetch, bool is_outdated) {
  DOHLE_ASSERT(!is_full(), "a fetch waits beyond the bound");
  DOHLE_ASSERT(bytes_missing > 0, "a fetch waits that has enough");
  auto wait = std::make_unique<FetchWait>();
  wait->id = {connection, ++last_number_};
  wait->fetch = std::move(fetch);
  wait->partitions = std::move(partitions);
  wait->bytes_missing = bytes_missing;
  wait->deadline = deadline;
  enlist(*wait);
  const Id id = wait->id;
  wait->timer = loop_.arm(deadline, [this, id] { on_deadline(id); });
  if (is_outdated) make_ready(*wait);
  waits_.emplace(id, std::move(wait));
}

void FetchWaits::enlist(FetchWait& wait) {
  DOHLE_ASSERT(pairs_ <= options_.max_pairs, "more pairs wait than are allowed");
  wait.looks_by_itself =
      wait.partitions.size() > std::min(options_.max_pairs - pairs_, options_.max_pairs_of_fetch);
  if (wait.looks_by_itself) {
    wait.partitions = std::vector<PartitionRef>();  // `{}` would keep the capacity
    wait.seen = wait.fetch->seen();
    wait.looker = lookers_.insert(lookers_.end(), &wait);
    return look_later();
  }
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.push_back(nullptr);
  }
  wait.slot = free_slots_.back();
  free_slots_.pop_back();
  slots_[wait.slot] = &wait;
  pairs_ += wait.partitions.size();
  wait.places.reserve(wait.partitions.size());
  for (std::uint32_t i = 0; i < wait.partitions.size(); ++i) {
    auto& waits = wait.partitions[i]->waits;
    wait.places.push_back(static_cast<std::uint32_t>(waits.size()));
    waits.push_back({wait.slot, i});
  }
}

// The last wait of a partition moves to the place that becomes free.
void FetchWaits::delist(FetchWait& wait) {
  if (wait.looks_by_itself) {
    if (next_look_ == wait.looker) ++next_look_;
    lookers_.erase(wait.looker);
    return;
  }
  DOHLE_ASSERT(slots_[wait.slot] == &wait, "a wait ends that is not in its slot");
  DOHLE_ASSERT(pairs_ >= wait.partitions.size(), "more pairs end than began");
  pairs_ -= wait.partitions.size();
  for (std::size_t i = 0; i < wait.partitions.size(); ++i) {
    auto& waits = wait.partitions[i]->waits;
    DOHLE_ASSERT(wait.places[i] < waits.size(),
                 "a partition does not list a fetch that waits for it");
    const PartitionWait last = waits.back();
    waits[wait.places[i]] = last;
    slots_[last.wait]->places[last.index] = wait.places[i];
    waits.pop_back();
    if (waits.capacity() > kept_waits && waits.size() < waits.capacity() / 4) waits.shrink_to_fit();
  }
  slots_[wait.slot] = nullptr;
  free_slots_.push_back(wait.slot);
}

void FetchWaits::on_deadline(const Id& id) {
  const auto due = waits_.find(id);
  if (due == waits_.end()) return;
  due->second->timer = 0;
  due->second->is_due = true;
  make_ready(*due->second);
}

// --- waits that partitions refer to

void FetchWaits::advanced(Partition& partition, std::size_t bytes) {
  for (const auto& [slot, index] : partition.waits) {
    DOHLE_ASSERT(slots_[slot] != nullptr, "a partition lists a wait that has ended");
    FetchWait& wait = *slots_[slot];
    wait.bytes_missing -= std::min(wait.bytes_missing, bytes);
    if (wait.bytes_missing == 0) make_ready(wait);
  }
}

void FetchWaits::changed(Partition& partition) {
  ++partition.changes;
  for (const auto& [slot, index] : partition.waits) make_ready(*slots_[slot]);
}

// A ready fetch is tried at the end of the turn, so that one answer has all new records of the
// turn.
void FetchWaits::make_ready(FetchWait& wait) {
  if (std::exchange(wait.is_ready, true)) return;
  ready_.push_back(wait.id);
  try_ready_later();
}

void FetchWaits::try_ready_later() {
  if (std::exchange(is_posted_, true)) return;
  loop_.post([this, alive = is_alive_] {
    if (*alive) try_ready();
  });
}

void FetchWaits::try_ready() {
  is_posted_ = false;
  while (attempted_ || !ready_.empty()) {
    if (!attempted_) {
      attempted_ = ready_.front();
      ready_.pop_front();
    }
    const auto wait = waits_.find(*attempted_);
    if (wait != waits_.end() && !attempt(wait)) break;
    attempted_.reset();
    if (is_turn_over(loop_)) break;
  }
  run_after_ready();
  if (attempted_ || !ready_.empty() || !after_ready_.empty()) try_ready_later();
}

void FetchWaits::run_after_ready() {
  const TimePoint end = loop_.turn_end();
  const TimePoint until = end == never || after_ready_.empty()
                              ? never
                              : std::max(end, loop_.mono_now() + time_of_tasks);
  // Tasks that come meanwhile wait for the next turn.
  for (std::size_t left = after_ready_.size(); left > 0; --left) {
    Task task = std::move(after_ready_.front());
    after_ready_.pop_front();
    task();
    if (left > 1 && until != never && loop_.mono_now() >= until) return;
  }
}

void FetchWaits::after_ready(Task task) {
  if (!is_posted_ && after_ready_.empty()) return task();
  after_ready_.push_back(std::move(task));
}

// --- waits that are checked at intervals

// A round begins 100 ms after the start of the last one, or at its end if that is later.
void FetchWaits::look_later() {
  if (is_looking_ || look_timer_ != 0 || lookers_.empty()) return;
  const TimePoint next = std::max(loop_.tick().mono, round_began_ + options_.look_interval);
  look_timer_ = loop_.arm(next, [this] {
    look_timer_ = 0;
    round_began_ = loop_.tick().mono;
    next_look_ = lookers_.begin();
    is_looking_ = true;
    look();
  });
}

void FetchWaits::look() {
  while (next_look_ != lookers_.end()) {
    look_at(**next_look_++);
    if (is_turn_over(loop_)) break;
  }
  if (next_look_ == lookers_.end()) {
    is_looking_ = false;
    return look_later();
  }
  loop_.post([this, alive = is_alive_] {
    if (*alive) look();
  });
}

void FetchWaits::look_at(FetchWait& wait) {
  const WaitingFetch::Seen seen = wait.fetch->seen();
  const std::uint64_t more = seen.visible_bytes - wait.seen.visible_bytes;
  // During an attempt no number is missing: any news makes it ready again.
  const std::size_t missing = std::max<std::size_t>(wait.bytes_missing, 1);
  if (seen.changes == wait.seen.changes && more < missing) return;
  make_ready(wait);
}

// --- ends

// Returns whether the attempt is over. The answer may close the connection, which removes the wait.
bool FetchWaits::attempt(Waits::iterator wait) {
  FetchWait& tried = *wait->second;
  if (tried.fetch == nullptr) return true;
  const Id id = wait->first;
  if (!std::exchange(tried.is_attempted, true)) {
    tried.is_ready = false;
    // Whatever becomes visible from now on makes it ready again: it may have been read past.
    tried.bytes_missing = 0;
    if (tried.looks_by_itself) tried.seen = tried.fetch->seen();
  }
  const bool is_last = tried.is_due;
  std::unique_ptr<WaitingFetch> fetch = std::move(tried.fetch);
  const auto missing = fetch->attempt(is_last);
  wait = waits_.find(id);
  if (wait == waits_.end()) return true;
  FetchWait& still = *wait->second;
  still.fetch = std::move(fetch);
  if (!missing) return false;
  still.is_attempted = false;
  if (*missing == 0 || is_last) {
    remove(wait);
  } else {
    still.bytes_missing = *missing;
  }
  return true;
}

FetchWaits::Waits::iterator FetchWaits::remove(Waits::iterator at) {
  FetchWait& wait = *at->second;
  loop_.cancel(wait.timer);
  delist(wait);
  return waits_.erase(at);
}

void FetchWaits::forget(std::uint64_t connection) {
  const bool is_posted = !forgotten_.empty();
  auto wait = waits_.lower_bound({connection, 0});
  while (wait != waits_.end() && wait->first.first == connection) {
    // A fetch that closes its connection while it answers.
    if (wait->second->fetch == nullptr) {
      wait = remove(wait);
      continue;
    }
    loop_.cancel(std::exchange(wait->second->timer, 0));
    forgotten_.push_back(std::move(wait->second));
    wait = waits_.erase(wait);
  }
  if (!is_posted) free_forgotten();
}

void FetchWaits::free_forgotten() {
  while (!forgotten_.empty()) {
    delist(*forgotten_.back());
    forgotten_.pop_back();
    if (is_turn_over(loop_)) break;
  }
  if (forgotten_.empty()) return;
  loop_.post([this, alive = is_alive_] {
    if (*alive) free_forgotten();
  });
}

void FetchWaits::answer_all() {
  while (!waits_.empty()) {
    const auto wait = waits_.begin();
    wait->second->is_due = true;
    (void)attempt(wait);
  }
}

}  // namespace dohle::node
