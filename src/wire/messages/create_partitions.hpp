#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dohle/ids.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct CreatePartitionsResponse;

// CreatePartitions (37). Adds partitions to topics (KIP-195).
//
// v1 throttled after the answer (KIP-219). v2 flexible (KIP-482). v3 THROTTLING_QUOTA_EXCEEDED
// (KIP-599).
struct CreatePartitionsRequest {
  using Response = CreatePartitionsResponse;
  static constexpr Api api{ApiKey::create_partitions, versions(0, 3), flexible_since(2)};

  struct CreatePartitionsAssignment {
    std::vector<NodeId> broker_ids;

    static void fields(auto& self, auto& f) { f(self.broker_ids, "brokerIds"); }
  };

  struct CreatePartitionsTopic {
    std::string name;
    std::int32_t count = 0;
    std::optional<std::vector<CreatePartitionsAssignment>> assignments =
        std::vector<CreatePartitionsAssignment>{};

    static void fields(auto& self, auto& f) {
      f(self.name, "name");
      f(self.count, "count");
      f(self.assignments, "assignments");
    }
  };

  std::vector<CreatePartitionsTopic> topics;
  std::int32_t timeout_ms = 0;
  bool validate_only = false;

  static void fields(auto& self, auto& f) {
    f(self.topics, "topics");
    f(self.timeout_ms, "timeoutMs");
    f(self.validate_only, "validateOnly");
  }
};

struct CreatePartitionsResponse {
  static constexpr Api api{ApiKey::create_partitions, versions(0, 3), flexible_since(2)};

  struct CreatePartitionsTopicResult {
    std::string name;
    std::int16_t error_code = 0;
    std::optional<std::string> error_message;

    static void fields(auto& self, auto& f) {
      f(self.name, "name");
      f(self.error_code, "errorCode");
      f(self.error_message, "errorMessage");
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<CreatePartitionsTopicResult> results;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs");
    f(self.results, "results");
  }
};

}  // namespace dohle::wire
