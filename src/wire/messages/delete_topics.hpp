#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dohle/ids.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct DeleteTopicsResponse;

// DeleteTopics (20). Deletes topics.
//
// v1 throttle time (KIP-124). v2 throttled after the answer (KIP-219). v3
// TOPIC_DELETION_DISABLED (KIP-322). v4 flexible (KIP-482). v5 error message (KIP-599). v6 by
// name or topic id, in `topics` (KIP-516).
struct DeleteTopicsRequest {
  using Response = DeleteTopicsResponse;
  static constexpr Api api{ApiKey::delete_topics, versions(1, 6), flexible_since(4)};

  struct DeleteTopicState {
    std::optional<std::string> name;
    TopicId topic_id;

    static void fields(auto& self, auto& f) {
      f(self.name, "name");
      f(self.topic_id, "topicId");
    }
  };

  std::vector<DeleteTopicState> topics;
  std::vector<std::string> topic_names;
  std::int32_t timeout_ms = 0;

  static void fields(auto& self, auto& f) {
    f(self.topics, "topics", since(6));
    f(self.topic_names, "topicNames", until(5), ignorable);
    f(self.timeout_ms, "timeoutMs");
  }
};

struct DeleteTopicsResponse {
  static constexpr Api api{ApiKey::delete_topics, versions(1, 6), flexible_since(4)};

  struct DeletableTopicResult {
    std::optional<std::string> name = std::string{};
    TopicId topic_id;
    std::int16_t error_code = 0;
    std::optional<std::string> error_message;

    static void fields(auto& self, auto& f) {
      f(self.name, "name", nullable_since(6));
      f(self.topic_id, "topicId", since(6), ignorable);
      f(self.error_code, "errorCode");
      f(self.error_message, "errorMessage", since(5), ignorable);
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<DeletableTopicResult> responses;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs");
    f(self.responses, "responses");
  }
};

}  // namespace dohle::wire
