#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/chain.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

// Traits by which the visitors distinguish the types of fields.

namespace dohle::wire::field {

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <class T>
inline constexpr bool is_id = false;
template <class Tag, class Rep, Rep None>
inline constexpr bool is_id<Id<Tag, Rep, None>> = true;

template <class T>
inline constexpr bool is_uuid = std::is_same_v<T, TopicId> || std::is_same_v<T, Uuid>;
template <class T>
inline constexpr bool is_string = std::is_same_v<T, std::string>;
template <class T>
inline constexpr bool is_bytes = std::is_same_v<T, Slice>;
template <class T>
inline constexpr bool is_records = std::is_same_v<T, Chain>;
template <class T>
inline constexpr bool is_number = std::is_arithmetic_v<T> || is_id<T>;
/// Has the same encoded size for every value.
template <class T>
inline constexpr bool is_fixed = is_number<T> || is_uuid<T>;

template <class T>
constexpr std::size_t fixed_bytes() {
  static_assert(is_fixed<T>);
  return sizeof(T);
}

/// A message's name for errors. DOHLE_WIRE_INSTANTIATE defines it.
template <class M>
[[nodiscard]] std::string_view message_name();
/// The error for a version that is not among the message's `known` ones.
[[nodiscard]] Error unknown_version(std::string_view message, std::int16_t version,
                                    VersionRange known);

/// A struct with a `fields` function.
template <class T>
inline constexpr bool is_struct = !is_fixed<T> && !is_string<T> && !is_bytes<T> && !is_records<T> &&
                                  !is_optional<T> && !is_vector<T>;

}  // namespace dohle::wire::field
