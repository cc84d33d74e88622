#pragma once

#include <cstddef>
#include <cstdint>

#include "dohle/record.hpp"

namespace dohle::wire {

/// CRC-32C (Castagnoli, RFC 3720) of `bytes`, continued from `crc` (0 to begin): crc32c(crc32c(0,
/// a), b) is the CRC of a followed by b. Uses the CPU's instruction if it has one.
[[nodiscard]] std::uint32_t crc32c(std::uint32_t crc, Bytes bytes);

/// The CRC of a followed by b, from the CRC of each (begun at 0) and the length of b.
[[nodiscard]] std::uint32_t crc32c_combined(std::uint32_t crc_of_a, std::uint32_t crc_of_b,
                                            std::size_t bytes_of_b);

/// crc32c by tables alone. crc32c falls back to it, and tests compare the two.
[[nodiscard]] std::uint32_t crc32c_software(std::uint32_t crc, Bytes bytes);

}  // namespace dohle::wire
