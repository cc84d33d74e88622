#pragma once

#include <cstdint>
#include <string_view>

#include "dohle/error.hpp"

/// Parsers of values. Each error is a configuration error whose sentence names the value and the
/// allowed ones; the caller puts the property's name before it.
namespace dohle::properties {

/// A whole number in decimal digits, from `min` to `max`.
Result<std::int64_t> parse_count(std::string_view text, std::int64_t min, std::int64_t max);

}  // namespace dohle::properties
