#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "dohle/error.hpp"

namespace dohle {

/// An option's value and its allowed range. A duration is its count in `unit`.
struct OptionRange {
  std::string_view name;
  std::int64_t value;
  std::int64_t lowest;
  std::int64_t highest;
  std::string_view unit = {};
};

[[nodiscard]] inline Result<void> check_options(std::initializer_list<OptionRange> ranges) {
  for (const OptionRange& each : ranges) {
    if (each.value >= each.lowest && each.value <= each.highest) continue;
    const std::string unit = each.unit.empty() ? std::string() : " " + std::string(each.unit);
    return fail(Error::configuration(std::string(each.name) + " is " + std::to_string(each.value) +
                                     unit + "; allowed are " + std::to_string(each.lowest) +
                                     " to " + std::to_string(each.highest) + unit));
  }
  return {};
}

/// Checks that an enumeration holds one of its values; casts and foreign code can produce others.
template <class Enum>
[[nodiscard]] Result<void> check_enum(std::string_view name, Enum value,
                                      std::initializer_list<Enum> allowed) {
  for (const Enum each : allowed) {
    if (value == each) return {};
  }
  std::string numbers;
  for (const Enum each : allowed) {
    numbers += (numbers.empty() ? "" : ", ") + std::to_string(static_cast<int>(each));
  }
  return fail(Error::configuration(std::string(name) + " is " +
                                   std::to_string(static_cast<int>(value)) +
                                   ", no value of its type; allowed are " + numbers));
}

/// A size as an option's value. A size above INT64_MAX becomes INT64_MAX, which is outside every
/// range.
[[nodiscard]] inline std::int64_t as_value(std::size_t size) {
  return size > static_cast<std::size_t>(INT64_MAX) ? INT64_MAX : static_cast<std::int64_t>(size);
}

}  // namespace dohle
