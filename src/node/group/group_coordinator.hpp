#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "node/group/classic_group.hpp"
#include "node/group/group_records.hpp"

namespace dohle::node {

/// All groups of the node with their members and committed offsets. Decides; its driver stores
/// records, keeps the requests that wait, and calls `on_time`.
///
/// A group's members are one thing (today a ClassicGroup; KIP-848's groups, where the server
/// assigns, will be another), its committed offsets a second one that does not depend on the first.
class GroupCoordinator {
 public:
  using Offsets = std::map<std::pair<std::string, PartitionId>, CommittedOffset>;

  struct Options {
    GroupOptions group;
    std::size_t max_groups = 100'000;
    std::chrono::milliseconds offsets_retention = std::chrono::hours(24 * 7);
  };

  /// `random` outlives the coordinator.
  GroupCoordinator(Options options, Random& random) : options_(options), random_(&random) {}

  // What was stored, at the start, in the order of the log.
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
  /// One error code for each leaver. Errors of the whole: `group_error`.
  [[nodiscard]] std::vector<std::int16_t> leave(const std::string& group,
                                                const std::vector<Leaver>& leavers, Now now,
                                                std::int16_t& group_error,
                                                ClassicGroupActions& out);

  /// Whether the group takes offsets from there, though it need not exist when the commit is not a
  /// member's. Returns an error code.
  [[nodiscard]] std::int16_t check_commit(const std::string& group, std::string_view member_id,
                                          const std::optional<std::string>& instance_id,
                                          Generation generation, Now now);
  /// An offset is about to be written: until it is durable only a rewritten log has it. Makes the
  /// group if it does not exist. `settle` follows.
  void stage(const std::string& group, const std::string& topic, PartitionId partition,
             CommittedOffset committed);
  /// It is durable, and from now on the committed one; or it never will be. Nothing happens when
  /// its group or topic was deleted meanwhile.
  void settle(const std::string& group, const std::string& topic, PartitionId partition,
              CommittedOffset committed, bool is_durable);
  /// Null when there are none.
  [[nodiscard]] const Offsets* offsets(const std::string& group) const;

  /// Null: no such group.
  [[nodiscard]] const ClassicGroup* find(const std::string& group) const;
  void for_each(const std::function<void(const ClassicGroup&)>& visit) const;
  [[nodiscard]] std::size_t size() const { return groups_.size(); }

  /// Deletes an empty group with its offsets; `records` store that. Returns an error code.
  [[nodiscard]] std::int16_t remove(const std::string& group, std::vector<GroupRecord>& records);
  /// Topics are gone, and so are all offsets in them.
  void forget_topics(const std::function<bool(const std::string& topic)>& is_gone,
                     std::vector<GroupRecord>& records);
  /// Drops offsets that nobody has used for too long, and groups of which nothing is left.
  void expire(Timestamp now, std::vector<GroupRecord>& records);

  /// The group of a StoreGroup could not be stored.
  void store_failed(const std::string& group, Now now, ClassicGroupActions& out);

  [[nodiscard]] TimePoint next_deadline() const;
  void on_time(Now now, ClassicGroupActions& out);

  /// Everything that has to be stored to have the present state, for a rewritten log.
  [[nodiscard]] Result<std::vector<GroupRecord>> snapshot() const;
  /// Records that snapshot would hold.
  [[nodiscard]] std::size_t live_records() const { return offset_count_ + groups_.size(); }

 private:
  struct Staged {
    CommittedOffset newest;
    std::size_t count = 0;
  };
  struct Entry {
    ClassicGroup group;
    Offsets offsets;
    std::map<std::pair<std::string, PartitionId>, Staged> staged;
    TimePoint deadline = never;
  };
  using Entries = std::map<std::string, Entry, std::less<>>;

  Entry& make(const std::string& group, Timestamp now);
  void reschedule(Entry& entry);
  void erase(Entries::iterator entry);
  void erase_if_blank(const std::string& group);
  void commit(Entry& entry, const std::string& topic, PartitionId partition,
              CommittedOffset committed);
  [[nodiscard]] bool is_expired(const Entry& entry, const CommittedOffset& committed,
                                Timestamp now) const;

  Options options_;
  Random* random_;
  Entries groups_;
  std::set<std::pair<TimePoint, std::string>> deadlines_;
  std::size_t offset_count_ = 0;
};

}  // namespace dohle::node
