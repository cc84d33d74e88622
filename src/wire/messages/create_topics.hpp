#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dohle/ids.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct CreateTopicsResponse;

// CreateTopics (19). Creates topics.
//
// v2 throttle time (KIP-124). v3 throttled after the answer (KIP-219). v4 partitions and
// replicas may be -1, the broker's defaults (KIP-464). v5 flexible (KIP-482), the answer shows
// the configuration (KIP-525). v6 THROTTLING_QUOTA_EXCEEDED (KIP-599). v7 topic id in the
// answer (KIP-516).
struct CreateTopicsRequest {
  using Response = CreateTopicsResponse;
  static constexpr Api api{ApiKey::create_topics, versions(2, 7), flexible_since(5)};

  struct CreatableReplicaAssignment {
    PartitionId partition_index;
    std::vector<NodeId> broker_ids;

    static void fields(auto& self, auto& f) {
      f(self.partition_index, "partitionIndex");
      f(self.broker_ids, "brokerIds");
    }
  };

  struct CreatableTopicConfig {
    std::string name;
    std::optional<std::string> value = std::string{};

    static void fields(auto& self, auto& f) {
      f(self.name, "name");
      f(self.value, "value");
    }
  };

  struct CreatableTopic {
    std::string name;
    std::int32_t num_partitions = 0;
    std::int16_t replication_factor = 0;
    std::vector<CreatableReplicaAssignment> assignments;
    std::vector<CreatableTopicConfig> configs;

    static void fields(auto& self, auto& f) {
      f(self.name, "name");
      f(self.num_partitions, "numPartitions");
      f(self.replication_factor, "replicationFactor");
      f(self.assignments, "assignments");
      f(self.configs, "configs");
    }
  };

  std::vector<CreatableTopic> topics;
  std::int32_t timeout_ms = 60000;
  bool validate_only = false;

  static void fields(auto& self, auto& f) {
    f(self.topics, "topics");
    f(self.timeout_ms, "timeoutMs");
    f(self.validate_only, "validateOnly");
  }
};

struct CreateTopicsResponse {
  static constexpr Api api{ApiKey::create_topics, versions(2, 7), flexible_since(5)};

  struct CreatableTopicConfigs {
    std::string name;
    std::optional<std::string> value = std::string{};
    bool read_only = false;
    std::int8_t config_source = -1;
    bool is_sensitive = false;

    static void fields(auto& self, auto& f) {
      f(self.name, "name");
      f(self.value, "value");
      f(self.read_only, "readOnly");
      f(self.config_source, "configSource");
      f(self.is_sensitive, "isSensitive");
    }
  };

  struct CreatableTopicResult {
    std::string name;
    TopicId topic_id;
    std::int16_t error_code = 0;
    std::optional<std::string> error_message = std::string{};
    std::int16_t topic_config_error_code = 0;
    std::int32_t num_partitions = -1;
    std::int16_t replication_factor = -1;
    std::optional<std::vector<CreatableTopicConfigs>> configs =
        std::vector<CreatableTopicConfigs>{};

    static void fields(auto& self, auto& f) {
      f(self.name, "name");
      f(self.topic_id, "topicId", since(7), ignorable);
      f(self.error_code, "errorCode");
      f(self.error_message, "errorMessage");
      f(self.topic_config_error_code, "topicConfigErrorCode", tagged(0, 5), ignorable);
      f(self.num_partitions, "numPartitions", since(5), ignorable);
      f(self.replication_factor, "replicationFactor", since(5), ignorable);
      f(self.configs, "configs", since(5), ignorable);
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<CreatableTopicResult> topics;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs");
    f(self.topics, "topics");
  }
};

}  // namespace dohle::wire
