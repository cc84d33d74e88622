#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct LeaveGroupResponse;

// LeaveGroup (13). Members leave a classic group.
//
// v1 throttle time (KIP-124). v2 throttled after the answer (KIP-219). v3 several members at
// once, by id or instance id (KIP-345). v4 flexible (KIP-482). v5 reason (KIP-800).
struct LeaveGroupRequest {
  using Response = LeaveGroupResponse;
  static constexpr Api api{ApiKey::leave_group, versions(0, 5), flexible_since(4)};

  struct MemberIdentity {
    std::string member_id;
    std::optional<std::string> group_instance_id;
    std::optional<std::string> reason;

    static void fields(auto& self, auto& f) {
      f(self.member_id, "memberId");
      f(self.group_instance_id, "groupInstanceId");
      f(self.reason, "reason", since(5), ignorable);
    }
  };

  std::string group_id;
  std::string member_id;
  std::vector<MemberIdentity> members;

  static void fields(auto& self, auto& f) {
    f(self.group_id, "groupId");
    f(self.member_id, "memberId", until(2));
    f(self.members, "members", since(3));
  }
};

struct LeaveGroupResponse {
  static constexpr Api api{ApiKey::leave_group, versions(0, 5), flexible_since(4)};

  struct MemberResponse {
    std::string member_id;
    std::optional<std::string> group_instance_id = std::string{};
    std::int16_t error_code = 0;

    static void fields(auto& self, auto& f) {
      f(self.member_id, "memberId");
      f(self.group_instance_id, "groupInstanceId");
      f(self.error_code, "errorCode");
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::vector<MemberResponse> members;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs", since(1), ignorable);
    f(self.error_code, "errorCode");
    f(self.members, "members", since(3));
  }
};

}  // namespace dohle::wire
