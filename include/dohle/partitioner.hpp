#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "dohle/export.hpp"
#include "dohle/ids.hpp"
#include "dohle/record.hpp"

namespace dohle {
inline namespace v0 {

/// Chooses the partitions of records that name none. One object may serve several topics and
/// producers. A class of your own derives from it; a plain function is enough for
/// function_partitioner().
///
///     auto producer = client.producer({.partitioner = crc32_partitioner()});
///
/// Thread safety: `choose` and `begin_topic` are called on any thread, several at a time.
class DOHLE_API Partitioner {
 public:
  /// What a partitioner remembers of one topic, such as whose turn it is.
  class DOHLE_API Memory {
   public:
    virtual ~Memory();
  };

  virtual ~Partitioner();

  /// Makes the memory for a topic; `seed` starts its random numbers. The default remembers nothing.
  [[nodiscard]] virtual std::shared_ptr<Memory> begin_topic(std::string_view topic,
                                                            std::uint64_t seed) const noexcept;
  /// Returns a partition, 0 to `partitions` - 1, or none: the record then goes to the partition
  /// that the calling thread fills at the moment. Called once per record. `memory` is what
  /// begin_topic returned for this topic. An exception becomes the error of the send, as does a
  /// partition that does not exist.
  [[nodiscard]] virtual PartitionId choose(std::string_view topic, const Record& record,
                                           std::int32_t partitions, Memory* memory) const = 0;
};

/// A hash of a key: a pure function, which is called on several threads at a time.
using KeyHasher = std::function<std::uint32_t(Bytes key)>;

/// FNV-1a with 32 bits, the hash function of kafka-go's Hash and ReferenceHash.
[[nodiscard]] DOHLE_API std::uint32_t fnv1a(Bytes key);

/// A function in place of a partitioner; its arguments and result are those of
/// Partitioner::choose.
using PartitionChoice = std::function<PartitionId(std::string_view topic, const Record& record,
                                                  std::int32_t partitions)>;

/// The keyed choice of Java's producer: murmur2(key). Records without a key go to a random
/// partition, or, if `consistent`, to the one of an empty key.
[[nodiscard]] DOHLE_API std::shared_ptr<const Partitioner> murmur2_partitioner(
    bool consistent = false);
/// The choice of librdkafka's default partitioner: CRC32 of the key. Records without a key, or with
/// an empty one, go to a random partition, or, if `consistent`, to partition 0.
[[nodiscard]] DOHLE_API std::shared_ptr<const Partitioner> crc32_partitioner(
    bool consistent = false);
/// The choice of kafka-go's Hash: the magnitude of the signed remainder of the hash. Records
/// without a key take turns. Without a hasher it is fnv1a.
[[nodiscard]] DOHLE_API std::shared_ptr<const Partitioner> hash_partitioner(
    KeyHasher hasher = nullptr);
/// The choice of sarama's reference hash partitioner, and of kafka-go's ReferenceHash: the hash
/// without its sign bit. Records without a key go to a random partition. Without a hasher it is
/// fnv1a.
[[nodiscard]] DOHLE_API std::shared_ptr<const Partitioner> reference_hash_partitioner(
    KeyHasher hasher = nullptr);
/// One partition after the other, each for `chunk` records, keys or not. Default: 1. A chunk of 0
/// counts as 1.
[[nodiscard]] DOHLE_API std::shared_ptr<const Partitioner> round_robin_partitioner(
    std::size_t chunk = 1);
/// The partition to which the fewest bytes of keys and values have been sent; of several, the
/// lowest. All counts start again at 0 when the number of partitions changes, as in kafka-go.
[[nodiscard]] DOHLE_API std::shared_ptr<const Partitioner> least_bytes_partitioner();
/// A choice by a function of your own. An empty function makes a null pointer.
[[nodiscard]] DOHLE_API std::shared_ptr<const Partitioner> function_partitioner(
    PartitionChoice choice);

}  // namespace v0
}  // namespace dohle
