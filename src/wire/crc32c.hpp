#pragma once

#include <cstddef>
#include <cstdint>

#include "dohle/record.hpp"

namespace dohle::wire {

/// CRC-32C (Castagnoli, RFC 3720) of `bytes`, going on from `crc` (0 to begin), so that
/// crc32c(crc32c(0, a), b) is that of a and b in a row. Uses the CPU's instruction where it has
/// one.
[[nodiscard]] std::uint32_t crc32c(std::uint32_t crc, Bytes bytes);

/// The CRC of a and b in a row from the CRCs of each, begun at 0, and the length of b.
[[nodiscard]] std::uint32_t crc32c_combined(std::uint32_t crc_of_a, std::uint32_t crc_of_b,
                                            std::size_t bytes_of_b);

/// crc32c by tables alone: what it falls back to, and what it is checked against.
[[nodiscard]] std::uint32_t crc32c_software(std::uint32_t crc, Bytes bytes);

}  // namespace dohle::wire
