#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <type_traits>

// Options of a field in a message's `fields` function, which calls its visitor with `f(self.member,
// "jsonName", options...)` for every field in wire order.

namespace dohle::wire {

/// 16 bytes that are not a topic's id, for instance a directory's id.
using Uuid = std::array<std::uint8_t, 16>;

/// The versions and the form of a field. A field of type std::optional may be null in every version
/// that has it, or from `nullable_since` on.
struct FieldSpec {
  static constexpr std::int16_t no_version = std::numeric_limits<std::int16_t>::max();

  std::int16_t first = 0;
  std::int16_t last = no_version;
  std::int16_t nullable_first = 0;
  std::int16_t tagged_first = no_version;
  std::uint32_t tag = 0;
  bool is_ignorable = false;

  [[nodiscard]] constexpr bool exists_in(std::int16_t version) const {
    return version >= first && version <= last;
  }
  [[nodiscard]] constexpr bool is_tagged_in(std::int16_t version) const {
    return version >= tagged_first && exists_in(version);
  }
  [[nodiscard]] constexpr bool is_nullable_in(std::int16_t version) const {
    return version >= nullable_first;
  }
};

namespace field_option {
struct Since {
  std::int16_t version;
  constexpr void apply(FieldSpec& spec) const { spec.first = version; }
};
struct Until {
  std::int16_t version;
  constexpr void apply(FieldSpec& spec) const { spec.last = version; }
};
struct NullableSince {
  std::int16_t version;
  constexpr void apply(FieldSpec& spec) const { spec.nullable_first = version; }
};
struct Tagged {
  std::uint32_t tag;
  std::int16_t since;
  constexpr void apply(FieldSpec& spec) const {
    spec.tag = tag;
    spec.tagged_first = since;
    if (spec.first < since) spec.first = since;
  }
};
struct Ignorable {
  constexpr void apply(FieldSpec& spec) const { spec.is_ignorable = true; }
};
}  // namespace field_option

/// The first version that has the field.
[[nodiscard]] constexpr field_option::Since since(std::int16_t version) {
  return {version};
}
/// The last version that has the field.
[[nodiscard]] constexpr field_option::Until until(std::int16_t version) {
  return {version};
}
/// The first version in which the field may be null.
[[nodiscard]] constexpr field_option::NullableSince nullable_since(std::int16_t version) {
  return {version};
}
/// A tagged field, written only when it differs from its default. A struct names its tagged fields
/// in the order of their tags.
[[nodiscard]] constexpr field_option::Tagged tagged(std::uint32_t tag, std::int16_t since) {
  return {tag, since};
}
/// In a version without the field its value is dropped. Without this option, encoding a value other
/// than the default there is an error.
inline constexpr field_option::Ignorable ignorable{};

/// Computed from the options' types, so that fields without such options generate no code.
template <class... Options>
inline constexpr bool may_be_tagged = (std::is_same_v<Options, field_option::Tagged> || ...);
template <class... Options>
inline constexpr bool may_be_absent =
    may_be_tagged<Options...> || (std::is_same_v<Options, field_option::Since> || ...) ||
    (std::is_same_v<Options, field_option::Until> || ...);

template <class... Options>
[[nodiscard]] constexpr FieldSpec make_spec(Options... options) {
  FieldSpec spec;
  (options.apply(spec), ...);
  return spec;
}

}  // namespace dohle::wire
