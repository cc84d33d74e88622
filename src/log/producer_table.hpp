#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/assert.hpp"
#include "dohle/ids.hpp"

namespace dohle::log {

/// The last batches of one idempotent producer.
struct KnownProducer {
  /// Batches of a producer in which a repetition is recognised: as many as it may have in flight.
  static constexpr std::size_t remembered_batches = 5;

  struct Batch {
    std::int32_t first_sequence = -1;
    std::int32_t last_sequence = -1;
    Offset base_offset;
    std::int32_t offset_delta = 0;
    bool is_log_append_time = false;
    Timestamp max_timestamp;
  };

  ProducerEpoch epoch;
  std::uint8_t count = 0;
  std::array<Batch, remembered_batches> batches;  // the newest last
  Timestamp seen;

  [[nodiscard]] const Batch& newest() const {
    DOHLE_ASSERT(count > 0 && count <= remembered_batches, "a known producer has no batch");
    return batches[count - 1u];
  }
  void push(const Batch& batch);
};

/// Producers by id, in shards of some hundred producers (linear hashing). No call of the owner
/// takes time in proportion to all producers: the table grows by one shard at a time, expiry visits
/// a few shards in each call, and a disk thread can read a view of all producers while the owner
/// changes them. The first change of a viewed shard copies that shard.
class ProducerTable {
 public:
  struct Shard {
    std::unordered_map<ProducerId, KnownProducer> producers;
    /// No producer was last seen before this time. None if some were read from the log and have no
    /// time yet.
    Timestamp oldest_seen;
  };
  using View = std::vector<std::shared_ptr<const Shard>>;

  ProducerTable() = default;
  ProducerTable(ProducerTable&&) = default;
  ProducerTable& operator=(ProducerTable&&) = default;

  [[nodiscard]] std::size_t size() const { return size_; }
  /// Null if the producer is unknown.
  [[nodiscard]] const KnownProducer* find(ProducerId id) const;
  /// The producer, created if it is unknown. The next call of the table invalidates the reference.
  /// `seen` as KnownProducer::seen will be after the call.
  KnownProducer& use(ProducerId id, Timestamp seen);
  /// Erases producers that were last seen before `before`, in the next few shards that may have
  /// some. Producers without a time are seen at `now`.
  void expire(Timestamp before, Timestamp now);

  /// All producers as they are now. Another thread may read it until `end_view`.
  [[nodiscard]] View begin_view();
  /// The last view is destroyed, and the owner knows that: later changes copy no shards.
  void end_view();

  /// Calls `visit` with each id and producer. Takes time in proportion to all producers.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const Slot& slot : slots_) {
      for (const auto& [id, producer] : slot.shard->producers) visit(id, producer);
    }
  }
  void check_invariants() const;

 private:
  struct Slot {
    std::shared_ptr<Shard> shard;
    /// A view may refer to the shard.
    bool is_viewed = false;
  };

  [[nodiscard]] std::size_t slot_of(ProducerId id) const;
  Shard& owned(Slot& slot);
  void split();

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
  /// Index of the shard where the next call of `expire` begins.
  std::size_t next_expired_ = 0;
};

}  // namespace dohle::log
