#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dohle/ids.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct OffsetCommitResponse;

// OffsetCommit (8). Stores a group's offsets. Without a member (generation -1) only an empty group
// accepts them.
//
// v2 retention time. v3 throttle time (KIP-124). v4 throttled after the answer (KIP-219). v5
// without retention time (KIP-211). v6 leader epoch (KIP-320). v7 group_instance_id (KIP-345). v8
// flexible (KIP-482). v9 members of KIP-848 groups, with their member epoch in the generation's
// field. v10 topic ids in place of names (KIP-848).
struct OffsetCommitRequest {
  using Response = OffsetCommitResponse;
  static constexpr Api api{ApiKey::offset_commit, versions(2, 10), flexible_since(8)};

  struct OffsetCommitRequestPartition {
    PartitionId partition_index;
    Offset committed_offset;
    LeaderEpoch committed_leader_epoch;
    std::optional<std::string> committed_metadata = std::string{};

    static void fields(auto& self, auto& f) {
      f(self.partition_index, "partitionIndex");
      f(self.committed_offset, "committedOffset");
      f(self.committed_leader_epoch, "committedLeaderEpoch", since(6), ignorable);
      f(self.committed_metadata, "committedMetadata");
    }
  };

  struct OffsetCommitRequestTopic {
    std::string name;
    TopicId topic_id;
    std::vector<OffsetCommitRequestPartition> partitions;

    static void fields(auto& self, auto& f) {
      f(self.name, "name", until(9), ignorable);
      f(self.topic_id, "topicId", since(10), ignorable);
      f(self.partitions, "partitions");
    }
  };

  std::string group_id;
  Generation generation_id_or_member_epoch;
  std::string member_id;
  std::optional<std::string> group_instance_id;
  std::int64_t retention_time_ms = -1;
  std::vector<OffsetCommitRequestTopic> topics;

  static void fields(auto& self, auto& f) {
    f(self.group_id, "groupId");
    f(self.generation_id_or_member_epoch, "generationIdOrMemberEpoch");
    f(self.member_id, "memberId");
    f(self.group_instance_id, "groupInstanceId", since(7));
    f(self.retention_time_ms, "retentionTimeMs", until(4), ignorable);
    f(self.topics, "topics");
  }
};

struct OffsetCommitResponse {
  static constexpr Api api{ApiKey::offset_commit, versions(2, 10), flexible_since(8)};

  struct OffsetCommitResponsePartition {
    PartitionId partition_index;
    std::int16_t error_code = 0;

    static void fields(auto& self, auto& f) {
      f(self.partition_index, "partitionIndex");
      f(self.error_code, "errorCode");
    }
  };

  struct OffsetCommitResponseTopic {
    std::string name;
    TopicId topic_id;
    std::vector<OffsetCommitResponsePartition> partitions;

    static void fields(auto& self, auto& f) {
      f(self.name, "name", until(9), ignorable);
      f(self.topic_id, "topicId", since(10), ignorable);
      f(self.partitions, "partitions");
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<OffsetCommitResponseTopic> topics;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs", since(3), ignorable);
    f(self.topics, "topics");
  }
};

}  // namespace dohle::wire
