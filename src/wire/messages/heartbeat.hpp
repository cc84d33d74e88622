#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "dohle/ids.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct HeartbeatResponse;

// Heartbeat (12). Keeps a member of a classic group alive and tells it of rebalances.
//
// v1 throttle time (KIP-124). v2 throttled after the answer (KIP-219). v3 group_instance_id
// (KIP-345). v4 flexible (KIP-482).
struct HeartbeatRequest {
  using Response = HeartbeatResponse;
  static constexpr Api api{ApiKey::heartbeat, versions(0, 4), flexible_since(4)};

  std::string group_id;
  Generation generation_id;
  std::string member_id;
  std::optional<std::string> group_instance_id;

  static void fields(auto& self, auto& f) {
    f(self.group_id, "groupId");
    f(self.generation_id, "generationId");
    f(self.member_id, "memberId");
    f(self.group_instance_id, "groupInstanceId", since(3));
  }
};

struct HeartbeatResponse {
  static constexpr Api api{ApiKey::heartbeat, versions(0, 4), flexible_since(4)};

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs", since(1), ignorable);
    f(self.error_code, "errorCode");
  }
};

}  // namespace dohle::wire
