#pragma once

#include <cstdint>

#include "dohle/ids.hpp"
#include "dohle/record.hpp"

namespace dohle::client {

/// MurmurHash2 with Kafka's seed.
[[nodiscard]] std::uint32_t murmur2(Bytes bytes);

/// The CRC-32 of IEEE 802.3, as zlib computes it.
[[nodiscard]] std::uint32_t crc32(Bytes bytes);

/// The hash without its sign bit, modulo the number of partitions, which is at least 1.
[[nodiscard]] inline PartitionId partition_of_hash(std::uint32_t hash, std::int32_t partitions) {
  return PartitionId{static_cast<std::int32_t>(hash & 0x7fffffffu) % partitions};
}

/// The partition that Java's producer chooses for that key. `partitions` is at least 1.
[[nodiscard]] inline PartitionId partition_for_key(Bytes key, std::int32_t partitions) {
  return partition_of_hash(murmur2(key), partitions);
}

}  // namespace dohle::client
