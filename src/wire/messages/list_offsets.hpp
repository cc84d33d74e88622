#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dohle/ids.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct ListOffsetsResponse;

// ListOffsets (2). Finds offsets by time. Times below zero are special: -1 the end, -2 the start,
// -3 the record with the highest time, -4 the start of the local log, -5 the end of tiered storage,
// -6 the first offset not yet in tiered storage.
//
// v1 one offset and its time per partition (KIP-79). v2 isolation level (KIP-98). v3 throttled
// after the answer (KIP-219). v4 leader epochs (KIP-320). v5 OFFSET_NOT_AVAILABLE (KIP-207). v6
// flexible (KIP-482). v7 -3 (KIP-734). v8 -4 (KIP-405). v9 -5 (KIP-1005). v10 timeout for
// lookups in tiered storage (KIP-1075). v11 -6 (KIP-1023).
struct ListOffsetsRequest {
  using Response = ListOffsetsResponse;
  static constexpr Api api{ApiKey::list_offsets, versions(1, 11), flexible_since(6)};

  struct ListOffsetsPartition {
    PartitionId partition_index;
    LeaderEpoch current_leader_epoch;
    Timestamp timestamp;

    static void fields(auto& self, auto& f) {
      f(self.partition_index, "partitionIndex");
      f(self.current_leader_epoch, "currentLeaderEpoch", since(4), ignorable);
      f(self.timestamp, "timestamp");
    }
  };

  struct ListOffsetsTopic {
    std::string name;
    std::vector<ListOffsetsPartition> partitions;

    static void fields(auto& self, auto& f) {
      f(self.name, "name");
      f(self.partitions, "partitions");
    }
  };

  NodeId replica_id;
  std::int8_t isolation_level = 0;
  std::vector<ListOffsetsTopic> topics;
  std::int32_t timeout_ms = 0;

  static void fields(auto& self, auto& f) {
    f(self.replica_id, "replicaId");
    f(self.isolation_level, "isolationLevel", since(2));
    f(self.topics, "topics");
    f(self.timeout_ms, "timeoutMs", since(10), ignorable);
  }
};

struct ListOffsetsResponse {
  static constexpr Api api{ApiKey::list_offsets, versions(1, 11), flexible_since(6)};

  struct ListOffsetsPartitionResponse {
    PartitionId partition_index;
    std::int16_t error_code = 0;
    Timestamp timestamp;
    Offset offset;
    LeaderEpoch leader_epoch;

    static void fields(auto& self, auto& f) {
      f(self.partition_index, "partitionIndex");
      f(self.error_code, "errorCode");
      f(self.timestamp, "timestamp");
      f(self.offset, "offset");
      f(self.leader_epoch, "leaderEpoch", since(4));
    }
  };

  struct ListOffsetsTopicResponse {
    std::string name;
    std::vector<ListOffsetsPartitionResponse> partitions;

    static void fields(auto& self, auto& f) {
      f(self.name, "name");
      f(self.partitions, "partitions");
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<ListOffsetsTopicResponse> topics;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs", since(2), ignorable);
    f(self.topics, "topics");
  }
};

}  // namespace dohle::wire
