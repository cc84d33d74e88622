#include "tools/text/values.hpp"

#include <array>
#include <charconv>
#include <limits>

#include <fmt/format.h>

namespace dohle::tools {

namespace {

std::unexpected<Error> refuse(std::string_view text, std::string_view allowed) {
  return fail(Error::configuration(fmt::format("\"{}\" is not {}", text, allowed)));
}

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array sizes = {Unit{"", 1},
                              Unit{"B", 1},
                              Unit{"KiB", 1ULL << 10},
                              Unit{"MiB", 1ULL << 20},
                              Unit{"GiB", 1ULL << 30},
                              Unit{"KB", 1'000},
                              Unit{"MB", 1'000'000},
                              Unit{"GB", 1'000'000'000}};
constexpr std::array durations = {
    Unit{"us", 1},         Unit{"ms", 1'000},        Unit{"s", 1'000'000},
    Unit{"m", 60'000'000}, Unit{"h", 3'600'000'000}, Unit{"d", 86'400'000'000}};
constexpr std::uint64_t max_duration_us = 10'000 * 86'400'000'000ULL;

/// Parses a number with a unit of `units` into `into`. False if `text` has another form or the
/// value is above `max`.
template <std::size_t N>
bool parse_units(std::string_view text, const std::array<Unit, N>& units, std::uint64_t max,
                 std::uint64_t& into) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(text.data(), end, number);
  if (code != std::errc{}) return false;
  const std::string_view name(rest, static_cast<std::size_t>(end - rest));
  for (const Unit& unit : units) {
    if (unit.name != name) continue;
    if (number > max / unit.factor) return false;
    into = number * unit.factor;
    return true;
  }
  return false;
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t bytes = 0;
  if (!parse_units(text, sizes, std::numeric_limits<std::int64_t>::max(), bytes)) {
    return refuse(text, "a size: a whole number of bytes, or one with KiB, MiB, GiB, KB, MB or GB");
  }
  return bytes;
}

Result<std::chrono::microseconds> parse_duration(std::string_view text) {
  std::uint64_t us = 0;
  if (text != "0" && !parse_units(text, durations, max_duration_us, us)) {
    return refuse(text,
                  "a duration: a whole number with us, ms, s, m, h or d, as 5ms, up to 10000d");
  }
  return std::chrono::microseconds(static_cast<std::int64_t>(us));
}

Result<std::pair<std::string, std::string>> parse_named(std::string_view text, char separator) {
  const auto at = text.find(separator);
  if (at == std::string_view::npos || at == 0) {
    return refuse(text, fmt::format("of the form NAME{}VALUE", separator));
  }
  return std::pair(std::string(text.substr(0, at)), std::string(text.substr(at + 1)));
}

}  // namespace dohle::tools
