#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <variant>

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
  /// The batch was stored, with its offsets and append time final.
  void stored(const wire::BatchHeader& batch);
  /// Forgets producers whose last batch is older.
  void expire(Timestamp before);
  void clear() { producers_.clear(); }
  [[nodiscard]] std::size_t size() const { return producers_.size(); }

 private:
  /// How many batches back a repetition is recognised: as many as a producer may have in flight.
  static constexpr std::size_t remembered_batches = 5;

  struct Batch {
    std::int32_t first_sequence;
    std::int32_t last_sequence;
    Offset base_offset;
    Timestamp append_time;
  };
  struct Producer {
    ProducerEpoch epoch;
    std::deque<Batch> batches;  // the newest last
    Timestamp last_time;
  };

  std::unordered_map<ProducerId, Producer> producers_;
};

}  // namespace dohle::log
