#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "base/slice.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "log/producer_table.hpp"
#include "wire/batch.hpp"

namespace dohle::log {

/// The log's state of idempotent producers. Decides whether their next batch is accepted (KIP-98).
/// Does no I/O. Rebuilt from the batches of the log in order.
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
  /// Forgets producers whose last append was before `before`; if there are thousands, some of them
  /// in each call. Producers read from the log count as seen at the first call that visits them.
  void expire(Timestamp before, Timestamp now);
  void clear() { producers_ = {}; }
  void check_invariants() const;
  [[nodiscard]] std::size_t size() const { return producers_.size(); }
  /// None if there is no producer.
  [[nodiscard]] ProducerId highest_id() const;

  /// The last batch of each producer, in the format of Apache Kafka's NNN.snapshot (version 1).
  [[nodiscard]] static Slice snapshot(const ProducerTable::View& producers);
  /// All producers as they are now, for `snapshot`. As ProducerTable::begin_view.
  [[nodiscard]] ProducerTable::View begin_view() { return producers_.begin_view(); }
  void end_view() { producers_.end_view(); }
  /// Reads a snapshot. Errors: damaged (length, version, CRC).
  [[nodiscard]] static Result<ProducerState> from_snapshot(Bytes bytes);
  /// Takes over the longer histories of `recent`, which was read from the log's last batches.
  void enrich(ProducerState recent);

 private:
  using Batch = KnownProducer::Batch;

  ProducerTable producers_;
};

}  // namespace dohle::log
