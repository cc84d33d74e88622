#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dohle/error.hpp"
#include "properties/values.hpp"

/// Parsers of flag values. Each error is a configuration error whose sentence names the value and
/// the allowed ones; the caller puts the flag's name before it.
namespace dohle::tools {

using properties::parse_count;

/// Bytes: a whole number, alone or with KiB, MiB, GiB (powers of 1,024) or KB, MB, GB (of 1,000).
Result<std::uint64_t> parse_size(std::string_view text);

/// A whole number with us, ms, s, m, h or d; 0 needs no unit. At most 10,000 days.
Result<std::chrono::microseconds> parse_duration(std::string_view text);

/// The texts before and after the first `separator`. The name must not be empty.
Result<std::pair<std::string, std::string>> parse_named(std::string_view text, char separator);

}  // namespace dohle::tools
