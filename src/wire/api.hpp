#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "wire/api_list.hpp"

namespace dohle::wire {

/// The protocol's numbers for its requests, as far as this library knows the messages.
enum class ApiKey : std::int16_t {
  none = -1,  ///< a schema that is not a request: what clients put into bytes, records of a log
#define DOHLE_API_KEY(key, file, Name) file = key,
  DOHLE_FOR_EACH_API(DOHLE_API_KEY)
#undef DOHLE_API_KEY
};

/// Both ends are included.
struct VersionRange {
  std::int16_t min = 0;
  std::int16_t max = 0;
  [[nodiscard]] constexpr bool contains(std::int16_t version) const {
    return version >= min && version <= max;
  }
  friend constexpr bool operator==(const VersionRange&, const VersionRange&) = default;
};

/// The first version in compact form with tagged fields (KIP-482).
struct FlexibleSince {
  std::int16_t version = std::numeric_limits<std::int16_t>::max();
};

[[nodiscard]] constexpr VersionRange versions(std::int16_t min, std::int16_t max) {
  return {min, max};
}
[[nodiscard]] constexpr FlexibleSince flexible_since(std::int16_t version) {
  return {version};
}
inline constexpr FlexibleSince never_flexible{};

/// What a message struct says about itself in its `api` member.
struct Api {
  ApiKey key = ApiKey::none;
  VersionRange versions;
  FlexibleSince flexible;

  [[nodiscard]] constexpr bool is_flexible(std::int16_t version) const {
    return version >= flexible.version;
  }
};

/// Every API that there are messages for, in the order of their keys. Produce starts at version 3
/// here; what a node advertises is the node's business.
[[nodiscard]] std::span<const Api> all_apis();
/// Null for a key that there are no messages for.
[[nodiscard]] const Api* find_api(ApiKey key);
/// "Produce"; "unknown" for a key that there are no messages for.
[[nodiscard]] std::string_view api_name(ApiKey key);

}  // namespace dohle::wire
