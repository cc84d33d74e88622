#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "log/partition_log.hpp"
#include "node/storage/partition.hpp"

namespace dohle::node {

/// The small batches that were last appended to partitions for which fetches wait. Those fetches
/// take their records from here and not from the file, which saves a system call between a producer
/// and its consumers. Bounded: at most `max_batches` batches of at most `max_bytes`.
/// Node's thread only.
class NewestBatches {
 public:
  static constexpr std::size_t max_batches = 16;
  static constexpr std::size_t max_bytes = 4'096;

  /// Whether the next batch of the partition, of that size, is worth keeping.
  [[nodiscard]] static bool is_wanted(const Partition& partition, std::size_t bytes) {
    return bytes <= max_bytes && !partition.waits.empty();
  }
  /// Keeps the batch in place of the partition's last one, or of the one that was kept the longest.
  void keep(Partition& partition, log::StoredBatch batch) {
    if (Slot& own = slot_of(partition); is_its(own, partition)) {
      own.batch = std::move(batch);
      return;
    }
    partition.newest_batch = ++last_;
    slot_of(partition) = {last_, std::move(batch)};
  }
  /// Null if none of the partition is kept. It may be older than the partition's last batch.
  [[nodiscard]] const log::StoredBatch* find(const Partition& partition) const {
    const Slot& slot = slots_[partition.newest_batch % max_batches];
    return is_its(slot, partition) ? &slot.batch : nullptr;
  }

 private:
  struct Slot {
    /// 0: empty.
    std::uint64_t number = 0;
    log::StoredBatch batch;
  };
  [[nodiscard]] Slot& slot_of(const Partition& partition) {
    return slots_[partition.newest_batch % max_batches];
  }
  [[nodiscard]] static bool is_its(const Slot& slot, const Partition& partition) {
    return slot.number != 0 && slot.number == partition.newest_batch;
  }

  std::array<Slot, max_batches> slots_;
  std::uint64_t last_ = 0;
};

}  // namespace dohle::node
