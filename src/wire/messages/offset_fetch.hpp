#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dohle/ids.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct OffsetFetchResponse;

// OffsetFetch (9). Reads a group's offsets. Null topics ask for all topics of the group.
//
// v1 from __consumer_offsets. v2 null topics, an error for the group (KIP-88). v3 throttle time
// (KIP-124). v4 throttled after the answer (KIP-219). v5 leader epoch (KIP-320). v6 flexible
// (KIP-482). v7 require_stable waits for open transactions (KIP-447). v8 several groups at once
// (KIP-709). v9 member id and epoch for KIP-848 groups. v10 topic ids in place of names (KIP-848).
struct OffsetFetchRequest {
  using Response = OffsetFetchResponse;
  static constexpr Api api{ApiKey::offset_fetch, versions(1, 10), flexible_since(6)};

  struct OffsetFetchRequestTopic {
    std::string name;
    std::vector<PartitionId> partition_indexes;

    static void fields(auto& self, auto& f) {
      f(self.name, "name");
      f(self.partition_indexes, "partitionIndexes");
    }
  };

  struct OffsetFetchRequestTopics {
    std::string name;
    TopicId topic_id;
    std::vector<PartitionId> partition_indexes;

    static void fields(auto& self, auto& f) {
      f(self.name, "name", until(9), ignorable);
      f(self.topic_id, "topicId", since(10), ignorable);
      f(self.partition_indexes, "partitionIndexes");
    }
  };

  struct OffsetFetchRequestGroup {
    std::string group_id;
    std::optional<std::string> member_id;
    std::int32_t member_epoch = -1;
    std::optional<std::vector<OffsetFetchRequestTopics>> topics =
        std::vector<OffsetFetchRequestTopics>{};

    static void fields(auto& self, auto& f) {
      f(self.group_id, "groupId");
      f(self.member_id, "memberId", since(9), ignorable);
      f(self.member_epoch, "memberEpoch", since(9), ignorable);
      f(self.topics, "topics");
    }
  };

  std::string group_id;
  std::optional<std::vector<OffsetFetchRequestTopic>> topics =
      std::vector<OffsetFetchRequestTopic>{};
  std::vector<OffsetFetchRequestGroup> groups;
  bool require_stable = false;

  static void fields(auto& self, auto& f) {
    f(self.group_id, "groupId", until(7));
    f(self.topics, "topics", until(7), nullable_since(2));
    f(self.groups, "groups", since(8));
    f(self.require_stable, "requireStable", since(7));
  }
};

struct OffsetFetchResponse {
  static constexpr Api api{ApiKey::offset_fetch, versions(1, 10), flexible_since(6)};

  struct OffsetFetchResponsePartition {
    PartitionId partition_index;
    Offset committed_offset;
    LeaderEpoch committed_leader_epoch;
    std::optional<std::string> metadata = std::string{};
    std::int16_t error_code = 0;

    static void fields(auto& self, auto& f) {
      f(self.partition_index, "partitionIndex");
      f(self.committed_offset, "committedOffset");
      f(self.committed_leader_epoch, "committedLeaderEpoch", since(5), ignorable);
      f(self.metadata, "metadata");
      f(self.error_code, "errorCode");
    }
  };

  struct OffsetFetchResponseTopic {
    std::string name;
    std::vector<OffsetFetchResponsePartition> partitions;

    static void fields(auto& self, auto& f) {
      f(self.name, "name");
      f(self.partitions, "partitions");
    }
  };

  struct OffsetFetchResponsePartitions {
    PartitionId partition_index;
    Offset committed_offset;
    LeaderEpoch committed_leader_epoch;
    std::optional<std::string> metadata = std::string{};
    std::int16_t error_code = 0;

    static void fields(auto& self, auto& f) {
      f(self.partition_index, "partitionIndex");
      f(self.committed_offset, "committedOffset");
      f(self.committed_leader_epoch, "committedLeaderEpoch");
      f(self.metadata, "metadata");
      f(self.error_code, "errorCode");
    }
  };

  struct OffsetFetchResponseTopics {
    std::string name;
    TopicId topic_id;
    std::vector<OffsetFetchResponsePartitions> partitions;

    static void fields(auto& self, auto& f) {
      f(self.name, "name", until(9), ignorable);
      f(self.topic_id, "topicId", since(10), ignorable);
      f(self.partitions, "partitions");
    }
  };

  struct OffsetFetchResponseGroup {
    std::string group_id;
    std::vector<OffsetFetchResponseTopics> topics;
    std::int16_t error_code = 0;

    static void fields(auto& self, auto& f) {
      f(self.group_id, "groupId");
      f(self.topics, "topics");
      f(self.error_code, "errorCode");
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<OffsetFetchResponseTopic> topics;
  std::int16_t error_code = 0;
  std::vector<OffsetFetchResponseGroup> groups;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs", since(3), ignorable);
    f(self.topics, "topics", until(7));
    f(self.error_code, "errorCode", since(2), until(7), ignorable);
    f(self.groups, "groups", since(8));
  }
};

}  // namespace dohle::wire
