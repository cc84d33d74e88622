#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "base/brief_wait.hpp"
#include "base/disk.hpp"
#include "base/executor.hpp"
#include "dohle/node.hpp"
#include "node/storage/partition.hpp"

namespace dohle::node {

/// Makes what was appended durable, in groups: all that is dirty goes into one Disk::sync, and the
/// next group fills meanwhile. A group starts at the end of the turn when somebody waits for it or
/// `max_dirty` segments are dirty, each of which holds files open; otherwise within the
/// durability's own delay. While groups that one waits for follow closely on each other, the loop
/// stays awake.
class Syncing {
 public:
  /// Told of each partition of which a sync has ended, well or not, and how many of its appended
  /// bytes the sync was to cover.
  using Synced = std::move_only_function<void(const PartitionRef&, std::uint64_t bytes)>;
  /// Under `interval` and `os`, told at the end of a turn of each partition that was appended to:
  /// whoever waits for what is durable is called after that.
  using Written = std::move_only_function<void(const PartitionRef&)>;

  Syncing(
      Executor& loop, Disk& disk, Durability durability, std::size_t max_dirty, Synced synced,
      Written written = [](const PartitionRef&) {});
  ~Syncing();
  Syncing(const Syncing&) = delete;
  Syncing& operator=(const Syncing&) = delete;

  /// The partition has bytes that no sync covers, in a new segment if it `has_rolled`.
  void appended(const PartitionRef& partition, bool has_rolled = false);
  /// Calls `done` once everything appended so far is as durable as the node promises, or its
  /// partition has a fault: whoever waits looks.
  void when_durable(Task done);
  /// Asserts the conditions that hold between two turns.
  void check_invariants() const;
  /// The same whatever the durability is.
  void when_synced(Task done);

 private:
  struct Covered {
    PartitionRef partition;
    Offset end;
    std::uint64_t bytes;
  };
  struct Wait {
    std::uint64_t group;
    Task done;
  };

  void tell_at_turn_end();
  void tell();
  void start_at_turn_end();
  void start_within_delay();
  void start_group();
  void stay_awake();
  void on_group(Result<void> outcome);
  void sync_one_by_one();
  void on_one(std::size_t index, Result<void> outcome);
  void settle(const Covered& covered, const Result<void>& outcome);
  void end_group();

  Executor& loop_;
  Disk& disk_;
  const Durability durability_;
  const std::size_t max_dirty_;
  std::size_t dirty_segments_ = 0;  // of those
  Synced synced_;
  Written written_;
  std::vector<PartitionRef> dirty_;    // since the last group was started
  std::vector<PartitionRef> unnoted_;  // of this turn
  std::vector<Task> until_noted_;
  bool is_telling_posted_ = false;
  std::vector<Covered> group_;
  std::deque<Wait> waits_;
  std::uint64_t started_ = 0;  // number of the last group that was started
  bool is_running_ = false;
  /// Since when the loop stays awake for the present or last group, if it does.
  std::optional<TimePoint> awake_since_;
  /// From such a group to the next.
  BriefWait until_next_;
  bool is_start_posted_ = false;
  std::size_t ones_left_ = 0;
  TimerId delay_ = 0;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
