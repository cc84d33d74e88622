#pragma once

#include <cstdint>

#include "dohle/record.hpp"

namespace dohle::wire {

/// CRC-32C (Castagnoli, RFC 3720) of `bytes`, going on from `crc` (0 to begin), so that
/// crc32c(crc32c(0, a), b) is that of a and b in a row. Uses the CPU's instruction where it has
/// one.
[[nodiscard]] std::uint32_t crc32c(std::uint32_t crc, Bytes bytes);

/// The same by tables alone: what crc32c falls back to, and what it is checked against.
[[nodiscard]] std::uint32_t crc32c_software(std::uint32_t crc, Bytes bytes);

}  // namespace dohle::wire
