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

struct JoinGroupResponse;

// JoinGroup (11). A member joins a classic group or takes part in a rebalance. The answer comes
// once all members have joined.
//
// v1 rebalance timeout (KIP-62). v2 throttle time (KIP-124). v3 throttled after the answer
// (KIP-219). v4 MEMBER_ID_REQUIRED: a new member gets an id and joins again (KIP-394). v5
// group_instance_id (KIP-345). v6 flexible (KIP-482). v7 the answer names the protocol type
// (KIP-559). v8 reason (KIP-800). v9 skip_assignment for a returning static leader (KIP-814).
struct JoinGroupRequest {
  using Response = JoinGroupResponse;
  static constexpr Api api{ApiKey::join_group, versions(0, 9), flexible_since(6)};

  struct JoinGroupRequestProtocol {
    std::string name;
    Slice metadata;

    static void fields(auto& self, auto& f) {
      f(self.name, "name");
      f(self.metadata, "metadata");
    }
  };

  std::string group_id;
  std::int32_t session_timeout_ms = 0;
  std::int32_t rebalance_timeout_ms = -1;
  std::string member_id;
  std::optional<std::string> group_instance_id;
  std::string protocol_type;
  std::vector<JoinGroupRequestProtocol> protocols;
  std::optional<std::string> reason;

  static void fields(auto& self, auto& f) {
    f(self.group_id, "groupId");
    f(self.session_timeout_ms, "sessionTimeoutMs");
    f(self.rebalance_timeout_ms, "rebalanceTimeoutMs", since(1), ignorable);
    f(self.member_id, "memberId");
    f(self.group_instance_id, "groupInstanceId", since(5));
    f(self.protocol_type, "protocolType");
    f(self.protocols, "protocols");
    f(self.reason, "reason", since(8), ignorable);
  }
};

struct JoinGroupResponse {
  static constexpr Api api{ApiKey::join_group, versions(0, 9), flexible_since(6)};

  struct JoinGroupResponseMember {
    std::string member_id;
    std::optional<std::string> group_instance_id;
    Slice metadata;

    static void fields(auto& self, auto& f) {
      f(self.member_id, "memberId");
      f(self.group_instance_id, "groupInstanceId", since(5), ignorable);
      f(self.metadata, "metadata");
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  Generation generation_id;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name = std::string{};
  std::string leader;
  bool skip_assignment = false;
  std::string member_id;
  std::vector<JoinGroupResponseMember> members;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs", since(2), ignorable);
    f(self.error_code, "errorCode");
    f(self.generation_id, "generationId");
    f(self.protocol_type, "protocolType", since(7), ignorable);
    f(self.protocol_name, "protocolName", nullable_since(7));
    f(self.leader, "leader");
    f(self.skip_assignment, "skipAssignment", since(9));
    f(self.member_id, "memberId");
    f(self.members, "members");
  }
};

}  // namespace dohle::wire
