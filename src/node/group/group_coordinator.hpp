#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/secure_random.hpp"
#include "node/group/classic_group.hpp"
#include "node/group/group_records.hpp"
#include "node/limits.hpp"

namespace dohle::node {

/// All groups of the node with their members and committed offsets. Decides; its driver stores
/// records, keeps the waiting requests, and calls `on_time`.
///
/// A group's members are one object (today a ClassicGroup; KIP-848's groups, where the server
/// assigns, will be another). Its committed offsets are a second one, which does not depend on the
/// first.
class GroupCoordinator {
 public:
  using OffsetKey = std::pair<std::string, PartitionId>;
  using Offsets = std::map<OffsetKey, CommittedOffset>;

  /// The position of a walk over all groups and their offsets. Groups and offsets may be added and
  /// removed between its pieces.
  struct Place {
    enum class Part : std::uint8_t { group, staged, offsets };
    std::string group;
    Part part = Part::group;
    OffsetKey offset;
  };

  struct Options {
    GroupOptions group;
    std::size_t max_groups = limits::max_groups;
    std::size_t max_state_bytes = limits::max_group_state_bytes;
    std::chrono::milliseconds offsets_retention = std::chrono::hours(24 * 7);
  };

  /// `random` outlives the coordinator.
  GroupCoordinator(Options options, SecureRandom& random) : options_(options), random_(&random) {}

  // Takes a stored record. Called at the start, in the order of the log.
  void restore(StoredRecord record, Now now);

  void join(JoinRequest request, ReplyTo to, Now now, ClassicGroupActions& out);
  void sync(SyncRequest request, ReplyTo to, Now now, ClassicGroupActions& out);
  [[nodiscard]] std::int16_t heartbeat(const std::string& group, std::string_view member_id,
                                       const std::optional<std::string>& instance_id,
                                       Generation generation, Now now);
  struct Leaver {
    std::string member_id;
    std::optional<std::string> instance_id;
  };
  /// Returns one error code for each leaver. `group_error`: the error of the whole request.
  [[nodiscard]] std::vector<std::int16_t> leave(const std::string& group,
                                                const std::vector<Leaver>& leavers, Now now,
                                                std::int16_t& group_error,
                                                ClassicGroupActions& out);

  /// Whether this sender may commit offsets of the group. The group need not exist, unless the
  /// sender is a member. Returns an error code.
  [[nodiscard]] std::int16_t check_commit(const std::string& group, std::string_view member_id,
                                          const std::optional<std::string>& instance_id,
                                          Generation generation, Now now);
  /// Memory use of all groups together, in bytes.
  [[nodiscard]] std::size_t state_bytes() const { return state_bytes_; }
  [[nodiscard]] std::size_t max_state_bytes() const { return options_.max_state_bytes; }
  [[nodiscard]] bool has_room_for(std::size_t growth) const {
    return growth == 0 || growth + state_bytes_ <= options_.max_state_bytes;
  }
  /// Additional bytes that the request, group or offset would need.
  [[nodiscard]] std::size_t growth_by(const JoinRequest& request) const;
  [[nodiscard]] std::size_t growth_by(const SyncRequest& request) const;
  [[nodiscard]] std::size_t growth_by_group(const std::string& group) const;
  [[nodiscard]] std::size_t growth_by_offset(const std::string& group, const std::string& topic,
                                             PartitionId partition,
                                             const CommittedOffset& committed) const;

  /// The current round. The deletion of a topic or group begins a new one. Each commit carries the
  /// round in which it arrived.
  [[nodiscard]] std::uint64_t round() const { return round_; }
  /// Adds an offset that was appended to the log. Before it is durable, only a rewritten log
  /// contains it. Creates the group if it does not exist. `settle` follows.
  void stage(const std::string& group, const std::string& topic, PartitionId partition,
             CommittedOffset committed);
  /// Ends a staged offset: it becomes the committed one if `is_durable`, else it is dropped. Does
  /// nothing if its group or topic was deleted meanwhile.
  void settle(const std::string& group, const std::string& topic, PartitionId partition,
              CommittedOffset committed, bool is_durable);
  /// Null if there is no such group.
  [[nodiscard]] const Offsets* offsets(const std::string& group) const;

  /// Null if the group does not exist.
  [[nodiscard]] const ClassicGroup* find(const std::string& group) const;
  /// Visits the next `max` groups after the name `last`, and sets `last` to the last visited one.
  /// False if there are no more.
  bool visit_after(std::string& last, std::size_t max,
                   const std::function<void(const ClassicGroup&)>& visit) const;
  [[nodiscard]] std::size_t size() const { return groups_.size(); }

  /// Deletes an empty group with its offsets. `records` gets the deletion to store. `bury_some`
  /// then frees the memory of its offsets and stores their deletions. Returns an error code.
  [[nodiscard]] std::int16_t remove(const std::string& group, std::vector<GroupRecord>& records);
  [[nodiscard]] bool is_burying() const { return !removed_.empty(); }
  /// A topic was deleted: all its present offsets are invalid from now on. Later commits are for
  /// another topic of that name. `forget_some` removes the offsets.
  void forget(std::string topic);
  [[nodiscard]] bool is_forgetting() const { return !forgotten_.empty(); }
  [[nodiscard]] bool is_forgetting(const std::string& topic) const {
    return forgotten_.contains(topic);
  }
  /// Whether the topic of an offset in `offsets` was deleted.
  [[nodiscard]] bool is_forgotten(const std::string& topic, const CommittedOffset& committed) const;

  // Walks in pieces of at most `max` (2 or more) groups and offsets. `records` gets the changes to
  // store. False if that was the last piece; `place` is then at the beginning again.

  bool forget_some(Place& place, std::size_t max, std::vector<GroupRecord>& records);
  /// Deletes offsets of groups that were removed. It needs no place.
  bool bury_some(std::size_t max, std::vector<GroupRecord>& records);
  /// Removes offsets and empty groups that were not used for `offsets_retention`.
  bool expire_some(Timestamp now, Place& place, std::size_t max, std::vector<GroupRecord>& records);
  /// Adds all records of the present state, for a rewritten log. Changes during the walk are stored
  /// separately, after the start of the walk. Errors: too_large.
  Result<bool> snapshot_some(Place& place, std::size_t max,
                             std::vector<GroupRecord>& records) const;

  /// The group of a StoreGroup could not be stored.
  void store_failed(const std::string& group, Now now, ClassicGroupActions& out);

  [[nodiscard]] TimePoint next_deadline() const;
  void on_time(Now now, ClassicGroupActions& out);

  /// Ends the process if the state contradicts itself. For tests and the simulation, after each
  /// event.
  void check_invariants() const;

  /// Number of records in a whole snapshot.
  [[nodiscard]] std::size_t live_records() const { return offset_count_ + groups_.size(); }

 private:
  struct Staged {
    CommittedOffset newest;
    std::size_t count = 0;
    /// Commits of earlier rounds are for a deleted topic.
    std::uint64_t since_round = 0;
  };
  using StagedOffsets = std::map<OffsetKey, Staged>;
  struct Entry {
    ClassicGroup group;
    Offsets offsets;
    StagedOffsets staged;
    TimePoint deadline = never;
    /// The counted bytes of the group.
    std::size_t bytes = 0;
  };
  using Entries = std::map<std::string, Entry, std::less<>>;

  Entry& make(const std::string& group, Timestamp now);
  void reschedule(Entry& entry);
  void count(Entry& entry);
  void erase_offset(Entry& entry, Offsets::iterator at);
  StagedOffsets::iterator erase_staged(Entry& entry, StagedOffsets::iterator at);
  void erase(Entries::iterator entry);
  template <class Groups, class Visit>
  static bool walk(Groups& groups, Place& place, std::size_t max, Visit&& visit);
  void erase_if_blank(const std::string& group);
  void commit(Entry& entry, const std::string& topic, PartitionId partition,
              CommittedOffset committed);
  [[nodiscard]] bool is_expired(const Entry& entry, const CommittedOffset& committed,
                                Timestamp now) const;

  Options options_;
  SecureRandom* random_;
  Entries groups_;
  /// Deleted groups. The deletions of their offsets are still to be stored.
  std::deque<std::pair<std::string, Entry>> removed_;
  std::set<std::pair<TimePoint, std::string>> deadlines_;
  std::size_t offset_count_ = 0;
  std::size_t state_bytes_ = 0;
  std::uint64_t round_ = 0;
  std::map<std::string, std::uint64_t, std::less<>> forgotten_;  // topic to round
  std::uint64_t forgetting_ = 0;  // last round that the current walk removes
};

}  // namespace dohle::node
