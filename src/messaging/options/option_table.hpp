#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/option_checks.hpp"
#include "dohle/ids.hpp"

namespace dohle::messaging {

struct MeantByProperties;

/// One member of an options struct.
template <class Options, class Member>
struct OptionRow {
  using Value = Member;
  using SetFromProperty = Result<void> (*)(const MeantByProperties& meant, Options& options);

  std::string_view name;
  Member Options::* member;
  std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  std::string_view unit = {};
  /// A subscription without a group refuses it.
  bool needs_group = false;
  /// The property of Kafka's clients that means the same, and how it sets the member.
  std::string_view property = {};
  SetFromProperty set_from_property = nullptr;

  [[nodiscard]] constexpr Member& of(Options& options) const { return options.*member; }
  [[nodiscard]] constexpr const Member& of(const Options& options) const { return options.*member; }
  [[nodiscard]] constexpr OptionRow from(std::int64_t low, std::int64_t high,
                                         std::string_view in = {}) const {
    OptionRow row = *this;
    row.lowest = low;
    row.highest = high;
    row.unit = in;
    return row;
  }
  [[nodiscard]] constexpr OptionRow of_groups() const {
    OptionRow row = *this;
    row.needs_group = true;
    return row;
  }
  [[nodiscard]] constexpr OptionRow meant_by(std::string_view name_of_property,
                                             SetFromProperty set) const {
    OptionRow row = *this;
    row.property = name_of_property;
    row.set_from_property = set;
    return row;
  }
  [[nodiscard]] constexpr bool is_unbounded() const {
    return lowest == std::numeric_limits<std::int64_t>::min() &&
           highest == std::numeric_limits<std::int64_t>::max();
  }
};

template <class Options, class Member>
[[nodiscard]] constexpr OptionRow<Options, Member> option(std::string_view name,
                                                          Member Options::* member) {
  return {name, member};
}

/// The rows of an options struct: one for each member, as a tuple `rows`.
template <class Options>
struct OptionTable;

/// Calls `visit` with each row.
template <class Options, class Visit>
void for_each_option(Visit&& visit) {
  std::apply([&](const auto&... row) { (..., visit(row)); }, OptionTable<Options>::rows);
}

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

/// A value as a number in the unit of its row; a text's is its length. Absent values have none, nor
/// have values of other types.
template <class T>
[[nodiscard]] std::optional<std::int64_t> number_of(const T& value) {
  if constexpr (is_optional<T>) {
    return value ? number_of(*value) : std::nullopt;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return as_value(value.size());
  } else if constexpr (std::is_same_v<T, std::size_t>) {
    return as_value(value);
  } else if constexpr (std::is_same_v<T, int>) {
    return value;
  } else if constexpr (std::is_same_v<T, std::chrono::milliseconds>) {
    return value.count();
  } else if constexpr (std::is_same_v<T, PartitionId>) {
    return value.value;
  } else {
    return std::nullopt;
  }
}

/// Errors: configuration, for the first member outside of its range.
template <class Options>
[[nodiscard]] Result<void> check_ranges(const Options& options) {
  Result<void> first;
  for_each_option<Options>([&](const auto& row) {
    if (!first || row.is_unbounded()) return;
    const auto number = number_of(row.of(options));
    if (!number || (row.lowest <= *number && *number <= row.highest)) return;
    using Member = typename std::decay_t<decltype(row)>::Value;
    constexpr bool is_text =
        std::is_same_v<Member, std::string> || std::is_same_v<Member, std::optional<std::string>>;
    const std::string_view of = is_text ? " (its length)" : "";
    const std::string name = std::string(row.name) + std::string(of);
    first = check_options({{name, *number, row.lowest, row.highest, row.unit}});
  });
  return first;
}

// Sets an absent value.

template <class Signature>
void fill_absent(std::function<Signature>& value, const std::function<Signature>& usual) {
  if (!value) value = usual;
}
template <class Value>
void fill_absent(std::optional<Value>& value, const Value& usual) {
  if (!value) value = usual;
}
template <class Value>
void fill_absent(std::optional<Value>& value, const std::optional<Value>& usual) {
  if (!value) value = usual;
}

}  // namespace dohle::messaging
