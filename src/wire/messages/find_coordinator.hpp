#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dohle/ids.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct FindCoordinatorResponse;

// FindCoordinator (10). Finds the coordinator of a group (key type 0), a transactional id (1) or a
// share group's partition (2).
//
// v1 key types (KIP-98), throttle time, error message. v2 throttled after the answer (KIP-219).
// v3 flexible (KIP-482). v4 several keys at once (KIP-699). v5 TRANSACTION_ABORTABLE (KIP-890).
// v6 share groups, key "group:topic id:partition" (KIP-932).
struct FindCoordinatorRequest {
  using Response = FindCoordinatorResponse;
  static constexpr Api api{ApiKey::find_coordinator, versions(0, 6), flexible_since(3)};

  std::string key;
  std::int8_t key_type = 0;
  std::vector<std::string> coordinator_keys;

  static void fields(auto& self, auto& f) {
    f(self.key, "key", until(3));
    f(self.key_type, "keyType", since(1));
    f(self.coordinator_keys, "coordinatorKeys", since(4));
  }
};

struct FindCoordinatorResponse {
  static constexpr Api api{ApiKey::find_coordinator, versions(0, 6), flexible_since(3)};

  struct Coordinator {
    std::string key;
    NodeId node_id;
    std::string host;
    std::int32_t port = 0;
    std::int16_t error_code = 0;
    std::optional<std::string> error_message = std::string{};

    static void fields(auto& self, auto& f) {
      f(self.key, "key");
      f(self.node_id, "nodeId");
      f(self.host, "host");
      f(self.port, "port");
      f(self.error_code, "errorCode");
      f(self.error_message, "errorMessage");
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::optional<std::string> error_message = std::string{};
  NodeId node_id;
  std::string host;
  std::int32_t port = 0;
  std::vector<Coordinator> coordinators;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs", since(1), ignorable);
    f(self.error_code, "errorCode", until(3));
    f(self.error_message, "errorMessage", since(1), until(3), ignorable);
    f(self.node_id, "nodeId", until(3));
    f(self.host, "host", until(3));
    f(self.port, "port", until(3));
    f(self.coordinators, "coordinators", since(4));
  }
};

}  // namespace dohle::wire
