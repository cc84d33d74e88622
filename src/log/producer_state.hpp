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

/// What the log knows of idempotent producers, and what it says to their next batch (KIP-98).
/// Decides; owns no file. Rebuilt by feeding it the batches of the log in order.
class ProducerState {
 public:
  struct Accept {};
  /// The batch is in the log already, from this offset on.
  struct Duplicate {
    Offset base_offset;
    Timestamp append_time;
  };
  /// Refused with this code of broker_error.
  struct Refuse {
    std::int16_t code;
  };
  using Verdict = std::variant<Accept, Duplicate, Refuse>;

  /// A new epoch has to begin at sequence 0, a known one has to go on without a gap; a producer
  /// that is not known may begin anywhere (its past may have been retained away).
  [[nodiscard]] Verdict judge(const wire::BatchHeader& batch) const;
  /// The batch was stored at `now`, with its offsets and append time final. none: read from the
  /// log.
  void stored(const wire::BatchHeader& batch, Timestamp now = {});
  /// Forgets producers that last appended before `before`. Those read from the log count from the
  /// first call on.
  void expire(Timestamp before, Timestamp now);
  void clear() { producers_.clear(); }
  void check_invariants() const;
  [[nodiscard]] std::size_t size() const { return producers_.size(); }
  /// none if there is no producer.
  [[nodiscard]] ProducerId highest_id() const;

  /// The last batch of each producer, in the format of Apache Kafka's NNN.snapshot (version 1).
  [[nodiscard]] Slice snapshot() const;
  /// Reads one. Errors: damaged (length, version, CRC).
  [[nodiscard]] static Result<ProducerState> from_snapshot(Bytes bytes);
  /// Takes over the longer histories that `recent` has, a walk of the log's last batches.
  void enrich(ProducerState recent);

 private:
  /// How many batches back a repetition is recognised: as many as a producer may have in flight.
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
  /// No producer was seen before; none: some were read from the log, and have no time yet.
  Timestamp oldest_seen_;
};

}  // namespace dohle::log
