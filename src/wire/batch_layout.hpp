#pragma once

#include <cstddef>

namespace dohle::wire::batch_at {

// Byte positions of the fields of a record batch v2; docs/formats.md describes them.
inline constexpr std::size_t base_offset = 0, batch_length = 8, leader_epoch = 12, magic = 16,
                             crc = 17, attributes = 21, last_offset_delta = 23, base_timestamp = 27,
                             max_timestamp = 35, producer_id = 43, producer_epoch = 51,
                             base_sequence = 53, count = 57, records = 61;

/// The CRC covers everything from here to the end.
inline constexpr std::size_t crc_begin = attributes;

}  // namespace dohle::wire::batch_at
