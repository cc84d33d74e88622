#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct ListGroupsResponse;

// ListGroups (16). Lists the groups that this broker coordinates.
//
// v1 throttle time (KIP-124). v2 throttled after the answer (KIP-219). v3 flexible (KIP-482).
// v4 by state (KIP-518). v5 by type (KIP-848).
struct ListGroupsRequest {
  using Response = ListGroupsResponse;
  static constexpr Api api{ApiKey::list_groups, versions(0, 5), flexible_since(3)};

  std::vector<std::string> states_filter;
  std::vector<std::string> types_filter;

  static void fields(auto& self, auto& f) {
    f(self.states_filter, "statesFilter", since(4));
    f(self.types_filter, "typesFilter", since(5));
  }
};

struct ListGroupsResponse {
  static constexpr Api api{ApiKey::list_groups, versions(0, 5), flexible_since(3)};

  struct ListedGroup {
    std::string group_id;
    std::string protocol_type;
    std::string group_state;
    std::string group_type;

    static void fields(auto& self, auto& f) {
      f(self.group_id, "groupId");
      f(self.protocol_type, "protocolType");
      f(self.group_state, "groupState", since(4), ignorable);
      f(self.group_type, "groupType", since(5), ignorable);
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::vector<ListedGroup> groups;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs", since(1), ignorable);
    f(self.error_code, "errorCode");
    f(self.groups, "groups");
  }
};

}  // namespace dohle::wire
