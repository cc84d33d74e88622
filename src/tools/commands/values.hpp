#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/producer.hpp"

/// Parsers of flag values. Each error is a configuration error whose sentence names the value and
/// the allowed ones; the caller puts the flag's name before it.
namespace dohle::tools {

/// A whole number in decimal digits, from `min` to `max`.
Result<std::int64_t> parse_count(std::string_view text, std::int64_t min, std::int64_t max);

/// Bytes: a whole number, alone or with KiB, MiB, GiB (powers of 1,024) or KB, MB, GB (of 1,000).
Result<std::uint64_t> parse_size(std::string_view text);

/// A whole number with us, ms, s, m, h or d; 0 needs no unit. At most 10,000 days.
Result<std::chrono::microseconds> parse_duration(std::string_view text);

/// "all" and "-1", "1" and "leader", "0" and "none".
Result<Acks> parse_acks(std::string_view text);

/// "none", "gzip", "snappy", "lz4", "zstd".
Result<CompressionCodec> parse_codec(std::string_view text);

/// The texts before and after the first `separator`. The name must not be empty.
Result<std::pair<std::string, std::string>> parse_named(std::string_view text, char separator);

}  // namespace dohle::tools
