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

/// Makes appended batches durable in groups: one Disk::sync covers all dirty files, and meanwhile
/// the next group fills. A group starts at the end of the turn if a caller waits for it or
/// `max_dirty` segments are dirty, each of which holds files open; otherwise after the delay of the
/// durability. While groups with a single waiting caller follow each other closely, the loop stays
/// awake. Work for each partition or caller of a group continues in the loop's next turn when a
/// turn has no time left.
class Syncing {
 public:
  /// Called for each partition of which a sync has ended, successful or not, with the number of its
  /// appended bytes that the sync was to cover.
  using Synced = std::move_only_function<void(const PartitionRef&, std::uint64_t bytes)>;
  /// Under `interval` and `os`, called at the end of a turn, or in the next turns, for each
  /// partition that was appended to, before callers that wait for its durability.
  using Written = std::move_only_function<void(const PartitionRef&)>;

  Syncing(
      Executor& loop, Disk& disk, Durability durability, std::size_t max_dirty, Synced synced,
      Written written = [](const PartitionRef&) {});
  ~Syncing();
  Syncing(const Syncing&) = delete;
  Syncing& operator=(const Syncing&) = delete;

  /// The partition has bytes that no sync covers. `has_rolled`: they are in a new segment.
  void appended(const PartitionRef& partition, bool has_rolled = false);
  /// Calls `done` once all bytes appended so far are as durable as the node promises, or their
  /// partition has a fault. The caller has to check for a fault.
  void when_durable(Task done);
  /// Asserts the conditions that hold between two turns.
  void check_invariants() const;
  /// As `when_durable`, but waits for a sync under every durability.
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

  /// A caller that waits until so many partitions were noted since the start.
  struct NoteWait {
    std::uint64_t noted;
    Task done;
  };

  void tell_at_turn_end();
  void tell_later();
  void tell();
  void start_at_turn_end();
  void start_within_delay();
  void start_group();
  void collect();
  void stay_awake();
  void on_group(Result<void> outcome);
  void settle_group();
  void sync_one_by_one();
  void on_one(std::size_t index, Result<void> outcome);
  void settle(const Covered& covered, const Result<void>& outcome);
  void end_group();
  void start_next();
  void go_on_later(void (Syncing::*step)());

  Executor& loop_;
  Disk& disk_;
  const Durability durability_;
  const std::size_t max_dirty_;
  std::size_t dirty_segments_ = 0;  // with unsynced bytes
  Synced synced_;
  Written written_;
  std::vector<PartitionRef> dirty_;   // appended to since the last group started
  std::deque<PartitionRef> unnoted_;  // appended to since their last note
  std::deque<NoteWait> until_noted_;
  std::uint64_t noted_ = 0;  // number of notes so far
  bool is_telling_due_ = false;
  /// Partitions of the group that starts, whose files are still to be collected; a stack.
  std::vector<PartitionRef> to_collect_;
  std::vector<std::shared_ptr<File>> files_;
  std::vector<Covered> group_;
  /// The outcome of the group's sync, and the partition that is settled or synced alone next.
  Result<void> outcome_;
  std::size_t next_ = 0;
  std::deque<Wait> waits_;
  std::uint64_t started_ = 0;  // number of the last started group
  bool is_running_ = false;
  /// Start of the time for which the loop stays awake for the current or last group, if it does.
  std::optional<TimePoint> awake_since_;
  /// The time from one such group to the next.
  BriefWait until_next_;
  bool is_start_posted_ = false;
  std::size_t ones_left_ = 0;
  TimerId delay_ = 0;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
