#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/slice.hpp"
#include "dohle/ids.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct SyncGroupResponse;

// SyncGroup (14). The leader of a classic group sends the assignments; each member gets its own.
//
// v1 throttle time (KIP-124). v2 throttled after the answer (KIP-219). v3 group_instance_id
// (KIP-345). v4 flexible (KIP-482). v5 protocol type and name on both sides (KIP-559).
struct SyncGroupRequest {
  using Response = SyncGroupResponse;
  static constexpr Api api{ApiKey::sync_group, versions(0, 5), flexible_since(4)};

  struct SyncGroupRequestAssignment {
    std::string member_id;
    Slice assignment;

    static void fields(auto& self, auto& f) {
      f(self.member_id, "memberId");
      f(self.assignment, "assignment");
    }
  };

  std::string group_id;
  Generation generation_id;
  std::string member_id;
  std::optional<std::string> group_instance_id;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name;
  std::vector<SyncGroupRequestAssignment> assignments;

  static void fields(auto& self, auto& f) {
    f(self.group_id, "groupId");
    f(self.generation_id, "generationId");
    f(self.member_id, "memberId");
    f(self.group_instance_id, "groupInstanceId", since(3));
    f(self.protocol_type, "protocolType", since(5), ignorable);
    f(self.protocol_name, "protocolName", since(5), ignorable);
    f(self.assignments, "assignments");
  }
};

struct SyncGroupResponse {
  static constexpr Api api{ApiKey::sync_group, versions(0, 5), flexible_since(4)};

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name;
  Slice assignment;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs", since(1), ignorable);
    f(self.error_code, "errorCode");
    f(self.protocol_type, "protocolType", since(5), ignorable);
    f(self.protocol_name, "protocolName", since(5), ignorable);
    f(self.assignment, "assignment");
  }
};

}  // namespace dohle::wire
