#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/slice.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct DescribeGroupsResponse;

// DescribeGroups (15). Returns state and members of classic groups.
//
// v1 throttle time (KIP-124). v2 throttled after the answer (KIP-219). v3 authorized operations
// (KIP-430). v4 group_instance_id (KIP-345). v5 flexible (KIP-482). v6 error message,
// GROUP_ID_NOT_FOUND for an unknown group (KIP-1043).
struct DescribeGroupsRequest {
  using Response = DescribeGroupsResponse;
  static constexpr Api api{ApiKey::describe_groups, versions(0, 6), flexible_since(5)};

  std::vector<std::string> groups;
  bool include_authorized_operations = false;

  static void fields(auto& self, auto& f) {
    f(self.groups, "groups");
    f(self.include_authorized_operations, "includeAuthorizedOperations", since(3));
  }
};

struct DescribeGroupsResponse {
  static constexpr Api api{ApiKey::describe_groups, versions(0, 6), flexible_since(5)};

  struct DescribedGroupMember {
    std::string member_id;
    std::optional<std::string> group_instance_id;
    std::string client_id;
    std::string client_host;
    Slice member_metadata;
    Slice member_assignment;

    static void fields(auto& self, auto& f) {
      f(self.member_id, "memberId");
      f(self.group_instance_id, "groupInstanceId", since(4), ignorable);
      f(self.client_id, "clientId");
      f(self.client_host, "clientHost");
      f(self.member_metadata, "memberMetadata");
      f(self.member_assignment, "memberAssignment");
    }
  };

  struct DescribedGroup {
    std::int16_t error_code = 0;
    std::optional<std::string> error_message;
    std::string group_id;
    std::string group_state;
    std::string protocol_type;
    std::string protocol_data;
    std::vector<DescribedGroupMember> members;
    std::int32_t authorized_operations = std::numeric_limits<std::int32_t>::min();

    static void fields(auto& self, auto& f) {
      f(self.error_code, "errorCode");
      f(self.error_message, "errorMessage", since(6));
      f(self.group_id, "groupId");
      f(self.group_state, "groupState");
      f(self.protocol_type, "protocolType");
      f(self.protocol_data, "protocolData");
      f(self.members, "members");
      f(self.authorized_operations, "authorizedOperations", since(3));
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<DescribedGroup> groups;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs", since(1), ignorable);
    f(self.groups, "groups");
  }
};

}  // namespace dohle::wire
