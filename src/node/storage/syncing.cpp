#include "node/storage/syncing.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/assert.hpp"
#include "node/turn.hpp"

namespace dohle::node {

namespace {

using std::chrono::milliseconds;

// Maximum time that bytes stay unsynced if no caller waits for them. `os` promises no sync; it
// syncs so that a start after a crash has little to read.
Duration delay_of(Durability durability) {
  switch (durability) {
    case Durability::fsync:
      return milliseconds(5);
    case Durability::interval:
      return milliseconds(50);
    case Durability::os:
      break;
  }
  return std::chrono::seconds(30);
}

/// Time for the sync of a fast disk and until the caller sends its next record.
constexpr Duration awake_time = std::chrono::microseconds(300);

}  // namespace

Syncing::Syncing(Executor& loop, Disk& disk, Durability durability, std::size_t max_dirty,
                 Synced synced, Written written)
    : loop_(loop),
      disk_(disk),
      durability_(durability),
      max_dirty_(max_dirty),
      synced_(std::move(synced)),
      written_(std::move(written)),
      until_next_(awake_time) {}

Syncing::~Syncing() {
  *is_alive_ = false;
  loop_.cancel(delay_);
}

void Syncing::check_invariants() const {
  DOHLE_ASSERT(dirty_segments_ >= dirty_.size(), "a partition is dirty without a segment that is");
  for (const PartitionRef& partition : dirty_) {
    DOHLE_ASSERT(partition->is_dirty, "a partition is to be synced that is not dirty");
    DOHLE_ASSERT(partition->visible_bytes <= partition->appended_bytes,
                 "consumers see more than was appended");
  }
  for (const PartitionRef& partition : unnoted_) {
    DOHLE_ASSERT(partition->is_unnoted, "a partition is to be noted that is");
  }
  DOHLE_ASSERT((unnoted_.empty() && until_noted_.empty()) || is_telling_due_,
               "written partitions wait for the run's note and no task is due");
  DOHLE_ASSERT((group_.empty() && to_collect_.empty()) || is_running_,
               "a group waits for a sync that does not run");
  for (const PartitionRef& partition : to_collect_) {
    DOHLE_ASSERT(partition->is_dirty, "a partition is to be synced that is not dirty");
  }
  DOHLE_ASSERT(waits_.empty() || is_running_ || is_start_posted_,
               "a caller waits for a sync that never starts");
  DOHLE_ASSERT(dirty_.empty() || is_running_ || is_start_posted_ || delay_ != 0,
               "appended records are never synced");
}

void Syncing::appended(const PartitionRef& partition, bool has_rolled) {
  if (durability_ != Durability::fsync && !partition->is_unnoted) {
    partition->is_unnoted = true;
    unnoted_.push_back(partition);
    tell_at_turn_end();
  }
  if (!partition->is_dirty || has_rolled) ++dirty_segments_;
  if (!partition->is_dirty) {
    partition->is_dirty = true;
    dirty_.push_back(partition);
  }
  if (dirty_segments_ >= max_dirty_) {
    if (!is_running_) start_at_turn_end();
  } else {
    start_within_delay();
  }
}

void Syncing::when_durable(Task done) {
  if (durability_ == Durability::fsync) return when_synced(std::move(done));
  if (unnoted_.empty() && until_noted_.empty()) return done();
  until_noted_.push_back({noted_ + unnoted_.size(), std::move(done)});
}

// A task for the end of the turn runs after all requests of the turn, so that they share one note
// of each partition. One that such a task adds runs after the answers to waiting fetches are sent,
// so that consumers do not wait for the note. This holds for requests that are served as they
// arrive; fetches that wait for the others are answered in the next turn.
void Syncing::tell_at_turn_end() {
  if (std::exchange(is_telling_due_, true)) return;
  loop_.at_turn_end([this, alive = is_alive_] {
    if (!*alive) return;
    loop_.at_turn_end([this, alive] {
      if (*alive) tell();
    });
  });
}

void Syncing::tell_later() {
  if (std::exchange(is_telling_due_, true)) return;
  loop_.post([this, alive = is_alive_] {
    if (*alive) tell();
  });
}

void Syncing::tell() {
  is_telling_due_ = false;
  do {
    if (!until_noted_.empty() && until_noted_.front().noted <= noted_) {
      Task done = std::move(until_noted_.front().done);
      until_noted_.pop_front();
      done();
    } else if (!unnoted_.empty()) {
      const PartitionRef partition = std::move(unnoted_.front());
      unnoted_.pop_front();
      ++noted_;
      partition->is_unnoted = false;
      written_(partition);
    } else {
      return;
    }
  } while (!is_turn_over(loop_));
  if (!unnoted_.empty() || !until_noted_.empty()) tell_later();
}

void Syncing::when_synced(Task done) {
  DOHLE_ASSERT(waits_.empty() || waits_.back().group <= started_ + 1,
               "a caller waits for a group after the next one");
  if (!dirty_.empty()) {
    waits_.push_back({started_ + 1, std::move(done)});
    if (!is_running_) start_at_turn_end();
  } else if (is_running_) {
    waits_.push_back({started_, std::move(done)});
  } else {
    done();
  }
}

// A posted task runs after all requests of this turn, so that they share one group.
void Syncing::start_at_turn_end() {
  if (is_start_posted_) return;
  is_start_posted_ = true;
  loop_.post([this, alive = is_alive_] {
    if (!*alive) return;
    is_start_posted_ = false;
    start_group();
  });
}

void Syncing::start_within_delay() {
  if (delay_ != 0 || is_running_ || is_start_posted_) return;
  delay_ = loop_.arm(loop_.tick().mono + delay_of(durability_), [this] {
    delay_ = 0;
    start_group();
  });
}

void Syncing::start_group() {
  if (is_running_ || dirty_.empty()) return;
  loop_.cancel(std::exchange(delay_, 0));
  DOHLE_ASSERT(group_.empty() && to_collect_.empty(), "a group begins before the last one ended");
  is_running_ = true;
  ++started_;
  to_collect_ = std::exchange(dirty_, {});
  std::ranges::reverse(to_collect_);
  dirty_segments_ = 0;
  collect();
}

// Bytes that are appended to a partition before it is collected belong to this group.
void Syncing::collect() {
  do {
    PartitionRef partition = std::move(to_collect_.back());
    to_collect_.pop_back();
    partition->is_dirty = false;
    if (partition->fault() != nullptr) continue;
    for (auto& file : partition->log()->dirty_files()) files_.push_back(std::move(file));
    const Offset end = partition->log()->end();
    const std::uint64_t bytes = partition->appended_bytes;
    group_.push_back({std::move(partition), end, bytes});
  } while (!to_collect_.empty() && !is_turn_over(loop_));
  if (!to_collect_.empty()) return go_on_later(&Syncing::collect);
  if (waits_.size() == 1) stay_awake();
  disk_.sync(std::exchange(files_, {}), [this, alive = is_alive_](Result<void> outcome) {
    if (*alive) on_group(std::move(outcome));
  });
}

void Syncing::go_on_later(void (Syncing::*step)()) {
  loop_.post([this, step, alive = is_alive_] {
    if (*alive) (this->*step)();
  });
}

// A single caller waits for each record before it sends the next. Waking up twice, for the end of
// this sync and for the next record, would take as long as the sync of a fast disk. With several
// waiting callers, or if the next record comes late, staying awake would only waste CPU time.
void Syncing::stay_awake() {
  const TimePoint now = loop_.tick().mono;
  if (awake_since_) until_next_.took(now - *std::exchange(awake_since_, std::nullopt));
  if (!until_next_.is_worth_it()) return;
  awake_since_ = now;
  loop_.stay_awake(now + awake_time);
}

void Syncing::on_group(Result<void> outcome) {
  DOHLE_ASSERT(is_running_ && ones_left_ == 0, "a sync ends that was not started");
  next_ = 0;
  if (!outcome && group_.size() > 1) {
    ones_left_ = group_.size();
    return sync_one_by_one();
  }
  outcome_ = std::move(outcome);
  settle_group();
}

void Syncing::settle_group() {
  while (next_ < group_.size()) {
    settle(group_[next_++], outcome_);
    if (next_ < group_.size() && is_turn_over(loop_)) return go_on_later(&Syncing::settle_group);
  }
  end_group();
}

// A file of the group has failed for good. Syncs of single partitions show which ones are
// unaffected: a failed file repeats its error and never succeeds.
void Syncing::sync_one_by_one() {
  while (next_ < group_.size()) {
    const std::size_t i = next_++;
    const PartitionRef& partition = group_[i].partition;
    std::vector<std::shared_ptr<File>> files;
    if (partition->fault() == nullptr) files = partition->log()->dirty_files();
    disk_.sync(std::move(files), [this, i, alive = is_alive_](Result<void> outcome) {
      if (*alive) on_one(i, std::move(outcome));
    });
    if (next_ < group_.size() && is_turn_over(loop_)) {
      return go_on_later(&Syncing::sync_one_by_one);
    }
  }
}

void Syncing::on_one(std::size_t index, Result<void> outcome) {
  DOHLE_ASSERT(ones_left_ > 0 && index < group_.size(), "a partition's sync ends twice");
  settle(group_[index], outcome);
  if (--ones_left_ == 0) end_group();
}

void Syncing::settle(const Covered& covered, const Result<void>& outcome) {
  Partition& partition = *covered.partition;
  DOHLE_ASSERT(covered.bytes <= partition.appended_bytes, "a sync covers more than was appended");
  if (partition.fault() == nullptr) {
    if (outcome) {
      partition.log()->synced(covered.end);
    } else {
      partition.log()->sync_failed(outcome.error());
    }
  }
  synced_(covered.partition, covered.bytes);
}

// Callers may wait for the group until the last of them is told.
void Syncing::end_group() {
  group_.clear();
  const auto has_more = [this] { return !waits_.empty() && waits_.front().group <= started_; };
  while (has_more()) {
    Task done = std::move(waits_.front().done);
    waits_.pop_front();
    done();
    if (has_more() && is_turn_over(loop_)) return go_on_later(&Syncing::end_group);
  }
  is_running_ = false;
  start_next();
}

void Syncing::start_next() {
  if (dirty_.empty()) return;
  if (!waits_.empty() || dirty_segments_ >= max_dirty_) {
    start_group();
  } else {
    start_within_delay();
  }
}

}  // namespace dohle::node
