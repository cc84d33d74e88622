#pragma once

#include <cstdint>

#include "dohle/ids.hpp"
#include "dohle/record.hpp"

namespace dohle::client {

/// MurmurHash2 with Kafka's seed.
[[nodiscard]] std::uint32_t murmur2(Bytes bytes);

/// The partition that Java's producer chooses for that key. `partitions` is at least 1.
[[nodiscard]] PartitionId partition_for_key(Bytes key, std::int32_t partitions);

}  // namespace dohle::client
