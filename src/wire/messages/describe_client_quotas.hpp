#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct DescribeClientQuotasResponse;

// DescribeClientQuotas (48). Lists quotas by user, client id and address (KIP-546). v1 flexible
// (KIP-482).
struct DescribeClientQuotasRequest {
  using Response = DescribeClientQuotasResponse;
  static constexpr Api api{ApiKey::describe_client_quotas, versions(0, 1), flexible_since(1)};

  struct ComponentData {
    std::string entity_type;
    /// quota_match.
    std::int8_t match_type = 0;
    std::optional<std::string> match = std::string{};

    static void fields(auto& self, auto& f) {
      f(self.entity_type, "entityType");
      f(self.match_type, "matchType");
      f(self.match, "match");
    }
  };

  std::vector<ComponentData> components;
  bool strict = false;

  static void fields(auto& self, auto& f) {
    f(self.components, "components");
    f(self.strict, "strict");
  }
};

/// How a component of the request matches the name of an entity.
namespace quota_match {
inline constexpr std::int8_t exact = 0, default_name = 1, any = 2;
}  // namespace quota_match

struct DescribeClientQuotasResponse {
  static constexpr Api api{ApiKey::describe_client_quotas, versions(0, 1), flexible_since(1)};

  struct EntityData {
    std::string entity_type;
    /// Null: the default.
    std::optional<std::string> entity_name = std::string{};

    static void fields(auto& self, auto& f) {
      f(self.entity_type, "entityType");
      f(self.entity_name, "entityName");
    }
  };

  struct ValueData {
    std::string key;
    double value = 0;

    static void fields(auto& self, auto& f) {
      f(self.key, "key");
      f(self.value, "value");
    }
  };

  struct EntryData {
    std::vector<EntityData> entity;
    std::vector<ValueData> values;

    static void fields(auto& self, auto& f) {
      f(self.entity, "entity");
      f(self.values, "values");
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::optional<std::string> error_message = std::string{};
  std::optional<std::vector<EntryData>> entries = std::vector<EntryData>{};

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs");
    f(self.error_code, "errorCode");
    f(self.error_message, "errorMessage");
    f(self.entries, "entries");
  }
};

}  // namespace dohle::wire
