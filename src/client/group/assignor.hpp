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

/// What a member of a group told its leader.
struct SubscribedMember {
  std::string member_id;
  std::optional<std::string> group_instance_id;
  std::vector<std::string> topics;
};

struct MemberAssignment {
  std::string member_id;
  std::vector<TopicPartition> partitions;
};

/// Partitions of each topic; topics that do not exist are left out.
using PartitionCounts = std::map<std::string, std::int32_t, std::less<>>;

/// Apache Kafka's assignor "range": of each topic every subscriber gets a run of partitions, equal
/// in length but for the first ones, which get one more. Subscribers are in the order of their
/// instance ids, then those without one by member id. One entry per member, in that order;
/// partitions by topic, then by number.
[[nodiscard]] std::vector<MemberAssignment> assign_range(std::vector<SubscribedMember> members,
                                                         const PartitionCounts& partitions);

/// What goes into JoinGroup, version 3. `owned`: partitions kept while joining, sorted by topic.
/// Errors: those of encoding.
[[nodiscard]] Result<Slice> encode_subscription(const std::vector<std::string>& topics,
                                                const std::vector<TopicPartition>& owned,
                                                Generation generation);
/// The topics in what a member put into JoinGroup, in any version. Errors: malformed.
[[nodiscard]] Result<std::vector<std::string>> subscribed_topics(const Slice& subscription);

/// What goes into SyncGroup for one member. `partitions`: sorted by topic.
/// Errors: those of encoding.
[[nodiscard]] Result<Slice> encode_assignment(const std::vector<TopicPartition>& partitions);
/// No bytes at all are an empty assignment. Errors: malformed.
[[nodiscard]] Result<std::vector<TopicPartition>> decode_assignment(const Slice& assignment);

}  // namespace dohle::client
