#pragma once

#include <optional>
#include <string>
#include <variant>

#include "base/slice.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "node/group/classic_group.hpp"
#include "node/journal/journal.hpp"

namespace dohle::node {

/// A group's position in one partition.
struct CommittedOffset {
  Offset offset;
  LeaderEpoch leader_epoch;
  std::string metadata;
  Timestamp committed_at;
  /// The time from which on it may be dropped; none: by the node's own rule.
  Timestamp expires_at = {};
  /// See GroupCoordinator::round; not stored.
  std::uint64_t round = 0;
};

/// A record of __consumer_offsets.
using GroupRecord = JournalRecord;

// Records in Apache Kafka's schemas, which its tools and brokers can read.

[[nodiscard]] Result<GroupRecord> offset_record(const std::string& group, const std::string& topic,
                                                PartitionId partition,
                                                const CommittedOffset& committed);
[[nodiscard]] Result<GroupRecord> offset_tombstone(const std::string& group,
                                                   const std::string& topic, PartitionId partition);
[[nodiscard]] Result<GroupRecord> group_record(const ClassicGroup& group);
[[nodiscard]] Result<GroupRecord> group_tombstone(const std::string& group);

/// A decoded record. Without `committed` or `state` it is a deletion.
struct StoredOffset {
  std::string group;
  std::string topic;
  PartitionId partition;
  std::optional<CommittedOffset> committed;
};
struct StoredGroup {
  std::string group;
  std::optional<wire::GroupMetadataValue> state;
};
struct StoredUnknown {};  ///< a record of a kind that this version does not know
using StoredRecord = std::variant<StoredOffset, StoredGroup, StoredUnknown>;

/// Errors: damaged; unsupported_version (a known kind, with a value of a later version).
[[nodiscard]] Result<StoredRecord> read_group_record(const Slice& key,
                                                     const std::optional<Slice>& value);

}  // namespace dohle::node
