#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/chain.hpp"
#include "dohle/ids.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct FetchResponse;

// Fetch (1). Reads record batches from partitions at their leaders; a long poll. Since v7 within a
// session, in which requests and answers name only changed partitions (KIP-227).
//
// v4 isolation level (KIP-98). v5 the log's start. v6 storage errors. v7 sessions (KIP-227). v8
// throttled after the answer (KIP-219). v9 current leader epoch (KIP-320). v10 zstd (KIP-110).
// v11 rack, preferred replica (KIP-392). v12 flexible (KIP-482), last fetched epoch, diverging
// epoch (KIP-595). v13 topic ids in place of names (KIP-516). v14 offset moved to tiered
// storage (KIP-405). v15 the follower's state as a tagged field (KIP-903). v16 endpoints of new
// leaders (KIP-951). v17 the follower's directory (KIP-853). v18 the follower's high watermark
// (KIP-1166).
struct FetchRequest {
  using Response = FetchResponse;
  static constexpr Api api{ApiKey::fetch, versions(4, 18), flexible_since(12)};

  struct ReplicaState {
    NodeId replica_id;
    std::int64_t replica_epoch = -1;

    static void fields(auto& self, auto& f) {
      f(self.replica_id, "replicaId");
      f(self.replica_epoch, "replicaEpoch");
    }
  };

  struct FetchPartition {
    PartitionId partition;
    LeaderEpoch current_leader_epoch;
    Offset fetch_offset;
    LeaderEpoch last_fetched_epoch;
    Offset log_start_offset;
    std::int32_t partition_max_bytes = 0;
    Uuid replica_directory_id{};
    Offset high_watermark{std::numeric_limits<std::int64_t>::max()};

    static void fields(auto& self, auto& f) {
      f(self.partition, "partition");
      f(self.current_leader_epoch, "currentLeaderEpoch", since(9), ignorable);
      f(self.fetch_offset, "fetchOffset");
      f(self.last_fetched_epoch, "lastFetchedEpoch", since(12));
      f(self.log_start_offset, "logStartOffset", since(5), ignorable);
      f(self.partition_max_bytes, "partitionMaxBytes");
      f(self.replica_directory_id, "replicaDirectoryId", tagged(0, 17), ignorable);
      f(self.high_watermark, "highWatermark", tagged(1, 18), ignorable);
    }
  };

  struct FetchTopic {
    std::string topic;
    TopicId topic_id;
    std::vector<FetchPartition> partitions;

    static void fields(auto& self, auto& f) {
      f(self.topic, "topic", until(12), ignorable);
      f(self.topic_id, "topicId", since(13), ignorable);
      f(self.partitions, "partitions");
    }
  };

  struct ForgottenTopic {
    std::string topic;
    TopicId topic_id;
    std::vector<PartitionId> partitions;

    static void fields(auto& self, auto& f) {
      f(self.topic, "topic", until(12), ignorable);
      f(self.topic_id, "topicId", since(13), ignorable);
      f(self.partitions, "partitions");
    }
  };

  std::optional<std::string> cluster_id;
  NodeId replica_id;
  ReplicaState replica_state;
  std::int32_t max_wait_ms = 0;
  std::int32_t min_bytes = 0;
  std::int32_t max_bytes = std::numeric_limits<std::int32_t>::max();
  std::int8_t isolation_level = 0;
  std::int32_t session_id = 0;
  std::int32_t session_epoch = -1;
  std::vector<FetchTopic> topics;
  std::vector<ForgottenTopic> forgotten_topics_data;
  std::string rack_id;

  static void fields(auto& self, auto& f) {
    f(self.cluster_id, "clusterId", tagged(0, 12), ignorable);
    f(self.replica_id, "replicaId", until(14));
    f(self.replica_state, "replicaState", tagged(1, 15));
    f(self.max_wait_ms, "maxWaitMs");
    f(self.min_bytes, "minBytes");
    f(self.max_bytes, "maxBytes");
    f(self.isolation_level, "isolationLevel");
    f(self.session_id, "sessionId", since(7), ignorable);
    f(self.session_epoch, "sessionEpoch", since(7), ignorable);
    f(self.topics, "topics");
    f(self.forgotten_topics_data, "forgottenTopicsData", since(7));
    f(self.rack_id, "rackId", since(11), ignorable);
  }
};

struct FetchResponse {
  static constexpr Api api{ApiKey::fetch, versions(4, 18), flexible_since(12)};

  struct EpochEndOffset {
    LeaderEpoch epoch;
    Offset end_offset;

    static void fields(auto& self, auto& f) {
      f(self.epoch, "epoch");
      f(self.end_offset, "endOffset");
    }
  };

  struct LeaderIdAndEpoch {
    NodeId leader_id;
    LeaderEpoch leader_epoch;

    static void fields(auto& self, auto& f) {
      f(self.leader_id, "leaderId");
      f(self.leader_epoch, "leaderEpoch");
    }
  };

  struct SnapshotId {
    Offset end_offset;
    LeaderEpoch epoch;

    static void fields(auto& self, auto& f) {
      f(self.end_offset, "endOffset");
      f(self.epoch, "epoch");
    }
  };

  struct AbortedTransaction {
    ProducerId producer_id;
    Offset first_offset;

    static void fields(auto& self, auto& f) {
      f(self.producer_id, "producerId");
      f(self.first_offset, "firstOffset");
    }
  };

  struct PartitionData {
    PartitionId partition_index;
    std::int16_t error_code = 0;
    Offset high_watermark;
    Offset last_stable_offset;
    Offset log_start_offset;
    EpochEndOffset diverging_epoch;
    LeaderIdAndEpoch current_leader;
    SnapshotId snapshot_id;
    std::optional<std::vector<AbortedTransaction>> aborted_transactions =
        std::vector<AbortedTransaction>{};
    NodeId preferred_read_replica;
    std::optional<Chain> records;

    static void fields(auto& self, auto& f) {
      f(self.partition_index, "partitionIndex");
      f(self.error_code, "errorCode");
      f(self.high_watermark, "highWatermark");
      f(self.last_stable_offset, "lastStableOffset");
      f(self.log_start_offset, "logStartOffset", since(5), ignorable);
      f(self.diverging_epoch, "divergingEpoch", tagged(0, 12));
      f(self.current_leader, "currentLeader", tagged(1, 12));
      f(self.snapshot_id, "snapshotId", tagged(2, 12));
      f(self.aborted_transactions, "abortedTransactions");
      f(self.preferred_read_replica, "preferredReadReplica", since(11));
      f(self.records, "records");
    }
  };

  struct FetchableTopicResponse {
    std::string topic;
    TopicId topic_id;
    std::vector<PartitionData> partitions;

    static void fields(auto& self, auto& f) {
      f(self.topic, "topic", until(12), ignorable);
      f(self.topic_id, "topicId", since(13), ignorable);
      f(self.partitions, "partitions");
    }
  };

  struct NodeEndpoint {
    NodeId node_id;
    std::string host;
    std::int32_t port = 0;
    std::optional<std::string> rack;

    static void fields(auto& self, auto& f) {
      f(self.node_id, "nodeId");
      f(self.host, "host");
      f(self.port, "port");
      f(self.rack, "rack");
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::int32_t session_id = 0;
  std::vector<FetchableTopicResponse> responses;
  std::vector<NodeEndpoint> node_endpoints;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs");
    f(self.error_code, "errorCode", since(7), ignorable);
    f(self.session_id, "sessionId", since(7));
    f(self.responses, "responses");
    f(self.node_endpoints, "nodeEndpoints", tagged(0, 16));
  }
};

}  // namespace dohle::wire
