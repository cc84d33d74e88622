#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "dohle/ids.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct MetadataResponse;

// Metadata (3). Returns the cluster's brokers and the partitions of topics with their leaders. Null
// topics ask for all topics; in v0 an empty list does.
//
// v1 rack, controller, internal topics (KIP-4). v2 cluster id (KIP-78). v3 throttle time
// (KIP-124). v4 allow_auto_topic_creation. v5 offline replicas (KIP-112). v6 throttled after the
// answer (KIP-219). v7 leader epoch (KIP-320). v8 authorized operations (KIP-430). v9 flexible
// (KIP-482). v10 topic ids in the answer (KIP-516). v11 the cluster's authorized operations moved
// to DescribeCluster (KIP-700). v12 asks by topic id. v13 an error for the whole answer (KIP-1102).
struct MetadataRequest {
  using Response = MetadataResponse;
  static constexpr Api api{ApiKey::metadata, versions(0, 13), flexible_since(9)};

  struct MetadataRequestTopic {
    TopicId topic_id;
    std::optional<std::string> name = std::string{};

    static void fields(auto& self, auto& f) {
      f(self.topic_id, "topicId", since(10), ignorable);
      f(self.name, "name", nullable_since(10));
    }
  };

  std::optional<std::vector<MetadataRequestTopic>> topics = std::vector<MetadataRequestTopic>{};
  bool allow_auto_topic_creation = true;
  bool include_cluster_authorized_operations = false;
  bool include_topic_authorized_operations = false;

  static void fields(auto& self, auto& f) {
    f(self.topics, "topics", nullable_since(1));
    f(self.allow_auto_topic_creation, "allowAutoTopicCreation", since(4));
    f(self.include_cluster_authorized_operations, "includeClusterAuthorizedOperations", since(8),
      until(10));
    f(self.include_topic_authorized_operations, "includeTopicAuthorizedOperations", since(8));
  }
};

struct MetadataResponse {
  static constexpr Api api{ApiKey::metadata, versions(0, 13), flexible_since(9)};

  struct MetadataResponseBroker {
    NodeId node_id;
    std::string host;
    std::int32_t port = 0;
    std::optional<std::string> rack;

    static void fields(auto& self, auto& f) {
      f(self.node_id, "nodeId");
      f(self.host, "host");
      f(self.port, "port");
      f(self.rack, "rack", since(1), ignorable);
    }
  };

  struct MetadataResponsePartition {
    std::int16_t error_code = 0;
    PartitionId partition_index;
    NodeId leader_id;
    LeaderEpoch leader_epoch;
    std::vector<NodeId> replica_nodes;
    std::vector<NodeId> isr_nodes;
    std::vector<NodeId> offline_replicas;

    static void fields(auto& self, auto& f) {
      f(self.error_code, "errorCode");
      f(self.partition_index, "partitionIndex");
      f(self.leader_id, "leaderId");
      f(self.leader_epoch, "leaderEpoch", since(7), ignorable);
      f(self.replica_nodes, "replicaNodes");
      f(self.isr_nodes, "isrNodes");
      f(self.offline_replicas, "offlineReplicas", since(5), ignorable);
    }
  };

  struct MetadataResponseTopic {
    std::int16_t error_code = 0;
    std::optional<std::string> name = std::string{};
    TopicId topic_id;
    bool is_internal = false;
    std::vector<MetadataResponsePartition> partitions;
    std::int32_t topic_authorized_operations = std::numeric_limits<std::int32_t>::min();

    static void fields(auto& self, auto& f) {
      f(self.error_code, "errorCode");
      f(self.name, "name", nullable_since(12));
      f(self.topic_id, "topicId", since(10), ignorable);
      f(self.is_internal, "isInternal", since(1), ignorable);
      f(self.partitions, "partitions");
      f(self.topic_authorized_operations, "topicAuthorizedOperations", since(8));
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<MetadataResponseBroker> brokers;
  std::optional<std::string> cluster_id;
  NodeId controller_id;
  std::vector<MetadataResponseTopic> topics;
  std::int32_t cluster_authorized_operations = std::numeric_limits<std::int32_t>::min();
  std::int16_t error_code = 0;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs", since(3), ignorable);
    f(self.brokers, "brokers");
    f(self.cluster_id, "clusterId", since(2), ignorable);
    f(self.controller_id, "controllerId", since(1), ignorable);
    f(self.topics, "topics");
    f(self.cluster_authorized_operations, "clusterAuthorizedOperations", since(8), until(10));
    f(self.error_code, "errorCode", since(13), ignorable);
  }
};

}  // namespace dohle::wire
