#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct DeleteGroupsResponse;

// DeleteGroups (42). Deletes empty groups with their offsets (KIP-229).
//
// v1 throttled after the answer (KIP-219). v2 flexible (KIP-482).
struct DeleteGroupsRequest {
  using Response = DeleteGroupsResponse;
  static constexpr Api api{ApiKey::delete_groups, versions(0, 2), flexible_since(2)};

  std::vector<std::string> groups_names;

  static void fields(auto& self, auto& f) { f(self.groups_names, "groupsNames"); }
};

struct DeleteGroupsResponse {
  static constexpr Api api{ApiKey::delete_groups, versions(0, 2), flexible_since(2)};

  struct DeletableGroupResult {
    std::string group_id;
    std::int16_t error_code = 0;

    static void fields(auto& self, auto& f) {
      f(self.group_id, "groupId");
      f(self.error_code, "errorCode");
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<DeletableGroupResult> results;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs");
    f(self.results, "results");
  }
};

}  // namespace dohle::wire
