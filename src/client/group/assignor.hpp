#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/slice.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"

namespace dohle::client {

/// A member's subscription, as its group's leader receives it.
struct SubscribedMember {
  std::string member_id;
  std::optional<std::string> group_instance_id;
  std::vector<std::string> topics;
};

struct MemberAssignment {
  std::string member_id;
  std::vector<TopicPartition> partitions;
};

/// The number of partitions of each topic; missing topics have no entry.
using PartitionCounts = std::map<std::string, std::int32_t, std::less<>>;

/// Apache Kafka's assignor "range". Each subscriber of a topic gets a range of its partitions. The
/// ranges have equal lengths, but the first ones may have one partition more. Subscribers are
/// ordered by instance id, then those without one by member id. Returns one entry per member in
/// that order, with partitions sorted by topic and number.
[[nodiscard]] std::vector<MemberAssignment> assign_range(std::vector<SubscribedMember> members,
                                                         const PartitionCounts& partitions);

/// Encodes a subscription for JoinGroup, version 3. `owned`: partitions kept during the join,
/// sorted by topic.
/// Errors: those of encoding.
[[nodiscard]] Result<Slice> encode_subscription(const std::vector<std::string>& topics,
                                                const std::vector<TopicPartition>& owned,
                                                Generation generation);
/// The topics of a member's subscription from JoinGroup, in any version. Errors: malformed.
[[nodiscard]] Result<std::vector<std::string>> subscribed_topics(const Slice& subscription);

/// Encodes one member's assignment for SyncGroup. `partitions`: sorted by topic.
/// Errors: those of encoding.
[[nodiscard]] Result<Slice> encode_assignment(const std::vector<TopicPartition>& partitions);
/// Decodes an assignment from SyncGroup. No bytes are an empty assignment. Errors: malformed.
[[nodiscard]] Result<std::vector<TopicPartition>> decode_assignment(const Slice& assignment);

}  // namespace dohle::client
