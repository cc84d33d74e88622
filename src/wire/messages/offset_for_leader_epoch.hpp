#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dohle/ids.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct OffsetForLeaderEpochResponse;

// OffsetForLeaderEpoch (23). Returns the end offset of a leader epoch, from which clients and
// followers detect that a log was truncated (KIP-101).
//
// v2 current leader epoch for fencing (KIP-320), throttle time. v3 replica id (KIP-392): -1 a
// consumer, -2 a consumer that may read past the high watermark. v4 flexible (KIP-482).
struct OffsetForLeaderEpochRequest {
  using Response = OffsetForLeaderEpochResponse;
  static constexpr Api api{ApiKey::offset_for_leader_epoch, versions(2, 4), flexible_since(4)};

  struct OffsetForLeaderPartition {
    PartitionId partition;
    LeaderEpoch current_leader_epoch;
    LeaderEpoch leader_epoch;

    static void fields(auto& self, auto& f) {
      f(self.partition, "partition");
      f(self.current_leader_epoch, "currentLeaderEpoch");
      f(self.leader_epoch, "leaderEpoch");
    }
  };

  struct OffsetForLeaderTopic {
    std::string topic;
    std::vector<OffsetForLeaderPartition> partitions;

    static void fields(auto& self, auto& f) {
      f(self.topic, "topic");
      f(self.partitions, "partitions");
    }
  };

  NodeId replica_id{-2};
  std::vector<OffsetForLeaderTopic> topics;

  static void fields(auto& self, auto& f) {
    f(self.replica_id, "replicaId", since(3), ignorable);
    f(self.topics, "topics");
  }
};

struct OffsetForLeaderEpochResponse {
  static constexpr Api api{ApiKey::offset_for_leader_epoch, versions(2, 4), flexible_since(4)};

  struct EpochEndOffset {
    std::int16_t error_code = 0;
    PartitionId partition;
    LeaderEpoch leader_epoch;
    Offset end_offset;

    static void fields(auto& self, auto& f) {
      f(self.error_code, "errorCode");
      f(self.partition, "partition");
      f(self.leader_epoch, "leaderEpoch");
      f(self.end_offset, "endOffset");
    }
  };

  struct OffsetForLeaderTopicResult {
    std::string topic;
    std::vector<EpochEndOffset> partitions;

    static void fields(auto& self, auto& f) {
      f(self.topic, "topic");
      f(self.partitions, "partitions");
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<OffsetForLeaderTopicResult> topics;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs");
    f(self.topics, "topics");
  }
};

}  // namespace dohle::wire
