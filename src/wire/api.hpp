#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "wire/api_list.hpp"

namespace dohle::wire {

/// Kafka's numbers of the requests that this library has messages for.
enum class ApiKey : std::int16_t {
  none = -1,  ///< a schema that is not a request, such as a record of __consumer_offsets
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

/// The `api` member of a message struct: key, known versions, first flexible version.
struct Api {
  ApiKey key = ApiKey::none;
  VersionRange versions;
  FlexibleSince flexible;

  [[nodiscard]] constexpr bool is_flexible(std::int16_t version) const {
    return version >= flexible.version;
  }
};

/// Every API that has messages, in the order of the keys. Produce starts at version 3 here. A node
/// may advertise smaller ranges.
[[nodiscard]] std::span<const Api> all_apis();
/// Null for a key without messages.
[[nodiscard]] const Api* find_api(ApiKey key);
/// For instance "Produce"; "unknown" for a key without messages.
[[nodiscard]] std::string_view api_name(ApiKey key);

}  // namespace dohle::wire
