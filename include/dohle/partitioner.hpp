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
  /// The state of a partitioner for one topic, such as the next partition in turn.
  class DOHLE_API Memory {
   public:
    virtual ~Memory();
  };

  virtual ~Partitioner();

  /// Makes the state for a topic. `seed` initializes its random numbers. The default returns null:
  /// no state.
  [[nodiscard]] virtual std::shared_ptr<Memory> begin_topic(std::string_view topic,
                                                            std::uint64_t seed) const noexcept;
  /// Returns a partition, 0 to `partitions` - 1, or none. With none, the record goes to the
  /// partition that the calling thread currently fills. Called once per record. `memory` is the
  /// result of begin_topic for this topic. An exception, or a partition that does not exist,
  /// becomes the error of the send.
  [[nodiscard]] virtual PartitionId choose(std::string_view topic, const Record& record,
                                           std::int32_t partitions, Memory* memory) const = 0;
};

/// A hash function for keys. It has to return the same hash for the same key. Called on several
/// threads at a time.
using KeyHasher = std::function<std::uint32_t(Bytes key)>;

/// FNV-1a with 32 bits, the hash function of kafka-go's Hash and ReferenceHash.
[[nodiscard]] DOHLE_API std::uint32_t fnv1a(Bytes key);

/// A function in place of a partitioner. Its arguments and its result are those of
/// Partitioner::choose, without the memory.
using PartitionChoice = std::function<PartitionId(std::string_view topic, const Record& record,
                                                  std::int32_t partitions)>;

/// Chooses by murmur2(key), as Java's producer does for records with a key. Records without a key
/// go to a random partition or, if `consistent` is true, to the partition of an empty key.
[[nodiscard]] DOHLE_API std::shared_ptr<const Partitioner> murmur2_partitioner(
    bool consistent = false);
/// Chooses by the CRC32 of the key, as librdkafka's default partitioner does. Records without a
/// key, or with an empty one, go to a random partition or, if `consistent` is true, to partition 0.
[[nodiscard]] DOHLE_API std::shared_ptr<const Partitioner> crc32_partitioner(
    bool consistent = false);
/// Chooses as kafka-go's Hash: by the absolute value of the hash's signed remainder. Records
/// without a key go to one partition after the other. Without a hasher the hash is fnv1a.
[[nodiscard]] DOHLE_API std::shared_ptr<const Partitioner> hash_partitioner(
    KeyHasher hasher = nullptr);
/// Chooses as sarama's reference hash partitioner and kafka-go's ReferenceHash: by the hash without
/// its sign bit. Records without a key go to a random partition. Without a hasher the hash is
/// fnv1a.
[[nodiscard]] DOHLE_API std::shared_ptr<const Partitioner> reference_hash_partitioner(
    KeyHasher hasher = nullptr);
/// Chooses one partition after the other, each for `chunk` records, and ignores keys. Default: 1. A
/// chunk of 0 counts as 1.
[[nodiscard]] DOHLE_API std::shared_ptr<const Partitioner> round_robin_partitioner(
    std::size_t chunk = 1);
/// Chooses the partition to which the fewest bytes of keys and values have been sent; if there are
/// several, the lowest. All counts start again at 0 when the number of partitions changes, as in
/// kafka-go.
[[nodiscard]] DOHLE_API std::shared_ptr<const Partitioner> least_bytes_partitioner();
/// Chooses with a function of your own. Returns null for an empty function.
[[nodiscard]] DOHLE_API std::shared_ptr<const Partitioner> function_partitioner(
    PartitionChoice choice);

}  // namespace v0
}  // namespace dohle
