#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <variant>

#include "base/assert.hpp"
#include "base/slice.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "wire/batch.hpp"

namespace dohle::log {

/// What the log knows of idempotent producers, and how it judges their next batch (KIP-98). Does no
/// I/O. Rebuilt from the batches of the log in order.
class ProducerState {
 public:
  struct Accept {};
  /// The batch is in the log already, at this offset.
  struct Duplicate {
    Offset base_offset;
    Timestamp append_time;
  };
  /// Refused with this code of broker_error.
  struct Refuse {
    std::int16_t code;
  };
  using Verdict = std::variant<Accept, Duplicate, Refuse>;

  /// A new epoch has to begin at sequence 0, and a known one has to continue without a gap. An
  /// unknown producer may begin anywhere, because retention may have removed its earlier batches.
  [[nodiscard]] Verdict judge(const wire::BatchHeader& batch) const;
  /// The batch was stored at `now`, with its final offsets and append time. None if it was read
  /// from the log.
  void stored(const wire::BatchHeader& batch, Timestamp now = {});
  /// Forgets producers whose last append was before `before`. Producers read from the log count as
  /// seen at the first call.
  void expire(Timestamp before, Timestamp now);
  void clear() { producers_.clear(); }
  void check_invariants() const;
  [[nodiscard]] std::size_t size() const { return producers_.size(); }
  /// None if there is no producer.
  [[nodiscard]] ProducerId highest_id() const;

  /// The last batch of each producer, in the format of Apache Kafka's NNN.snapshot (version 1).
  [[nodiscard]] Slice snapshot() const;
  /// Reads a snapshot. Errors: damaged (length, version, CRC).
  [[nodiscard]] static Result<ProducerState> from_snapshot(Bytes bytes);
  /// Takes over the longer histories of `recent`, which was read from the log's last batches.
  void enrich(ProducerState recent);

 private:
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
  struct Producer {
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

  std::unordered_map<ProducerId, Producer> producers_;
  /// No producer was last seen before this time. None if some were read from the log and have no
  /// time yet.
  Timestamp oldest_seen_;
};

}  // namespace dohle::log
