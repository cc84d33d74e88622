#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/chain.hpp"
#include "dohle/ids.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct ProduceResponse;

// Produce (0). Appends record batches to partitions at their leaders. With acks 0 there is no
// answer.
//
// v3 record batch v2, transactional id (KIP-98). v4 storage errors. v5 the answer has the log's
// start offset. v7 zstd (KIP-110). v8 error records in the answer (KIP-467). v9 flexible (KIP-482).
// v10 the answer may name the new leader (KIP-951). v11 may ask to abort the transaction, v12 adds
// partitions to a transaction by itself (both KIP-890). v13 topic ids in place of names (KIP-516).
struct ProduceRequest {
  using Response = ProduceResponse;
  static constexpr Api api{ApiKey::produce, versions(3, 13), flexible_since(9)};

  struct PartitionProduceData {
    PartitionId index;
    std::optional<Chain> records;

    static void fields(auto& self, auto& f) {
      f(self.index, "index");
      f(self.records, "records");
    }
  };

  struct TopicProduceData {
    std::string name;
    TopicId topic_id;
    std::vector<PartitionProduceData> partition_data;

    static void fields(auto& self, auto& f) {
      f(self.name, "name", until(12), ignorable);
      f(self.topic_id, "topicId", since(13), ignorable);
      f(self.partition_data, "partitionData");
    }
  };

  std::optional<std::string> transactional_id;
  std::int16_t acks = 0;
  std::int32_t timeout_ms = 0;
  std::vector<TopicProduceData> topic_data;

  static void fields(auto& self, auto& f) {
    f(self.transactional_id, "transactionalId");
    f(self.acks, "acks");
    f(self.timeout_ms, "timeoutMs");
    f(self.topic_data, "topicData");
  }
};

struct ProduceResponse {
  static constexpr Api api{ApiKey::produce, versions(3, 13), flexible_since(9)};

  struct BatchIndexAndErrorMessage {
    std::int32_t batch_index = 0;
    std::optional<std::string> batch_index_error_message;

    static void fields(auto& self, auto& f) {
      f(self.batch_index, "batchIndex");
      f(self.batch_index_error_message, "batchIndexErrorMessage");
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

  struct PartitionProduceResponse {
    PartitionId index;
    std::int16_t error_code = 0;
    Offset base_offset;
    Timestamp log_append_time_ms;
    Offset log_start_offset;
    std::vector<BatchIndexAndErrorMessage> record_errors;
    std::optional<std::string> error_message;
    LeaderIdAndEpoch current_leader;

    static void fields(auto& self, auto& f) {
      f(self.index, "index");
      f(self.error_code, "errorCode");
      f(self.base_offset, "baseOffset");
      f(self.log_append_time_ms, "logAppendTimeMs");
      f(self.log_start_offset, "logStartOffset", since(5), ignorable);
      f(self.record_errors, "recordErrors", since(8), ignorable);
      f(self.error_message, "errorMessage", since(8), ignorable);
      f(self.current_leader, "currentLeader", tagged(0, 10));
    }
  };

  struct TopicProduceResponse {
    std::string name;
    TopicId topic_id;
    std::vector<PartitionProduceResponse> partition_responses;

    static void fields(auto& self, auto& f) {
      f(self.name, "name", until(12), ignorable);
      f(self.topic_id, "topicId", since(13), ignorable);
      f(self.partition_responses, "partitionResponses");
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

  std::vector<TopicProduceResponse> responses;
  std::int32_t throttle_time_ms = 0;
  std::vector<NodeEndpoint> node_endpoints;

  static void fields(auto& self, auto& f) {
    f(self.responses, "responses");
    f(self.throttle_time_ms, "throttleTimeMs");
    f(self.node_endpoints, "nodeEndpoints", tagged(0, 10));
  }
};

}  // namespace dohle::wire
