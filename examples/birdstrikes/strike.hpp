#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "dohle/error.hpp"

namespace birdstrikes {

/// A report of an aircraft that hit an animal. It is published as JSON.
struct Strike {
  std::string airport, aircraft, damage, date, airline, state, phase;
  std::string size, species, time_of_day;
  std::int64_t cost_other = 0, cost_repair = 0, cost_total = 0;  // US dollars
  std::optional<int> speed;                                      // knots, if it was reported
  friend bool operator==(const Strike&, const Strike&) = default;
};

// With these two functions dohle/codec/json.hpp can publish and receive a Strike.
void to_json(nlohmann::json& json, const Strike& strike);
void from_json(const nlohmann::json& json, Strike& strike);

/// True if the aircraft was damaged. Such strikes are forwarded to a topic of their own.
[[nodiscard]] bool is_noteworthy(const Strike& strike);

/// Parses one line of the file, which may end with a carriage return. Errors: malformed, with the
/// column.
[[nodiscard]] dohle::Result<Strike> parse_strike(std::string_view line);

/// Reads a gzip-compressed file with a line of headings. A strike's row number is its place in the
/// vector plus one. Errors: the reason why the file cannot be read; malformed, with the line.
[[nodiscard]] dohle::Result<std::vector<Strike>> read_strikes(const std::filesystem::path& file);

}  // namespace birdstrikes
