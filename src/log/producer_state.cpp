#include "log/producer_state.hpp"

#include "base/broker_errors.hpp"

namespace dohle::log {

namespace {

// Sequences count from 0 to 2^31-1 and then from 0 again.
std::int32_t advance(std::int32_t sequence, std::int32_t by) {
  return static_cast<std::int32_t>(
      (static_cast<std::uint32_t>(sequence) + static_cast<std::uint32_t>(by)) & 0x7fffffffu);
}

}  // namespace

ProducerState::Verdict ProducerState::judge(const wire::BatchHeader& batch) const {
  if (batch.producer_id.is_none()) return Accept{};
  const auto found = producers_.find(batch.producer_id);
  if (found == producers_.end()) return Accept{};
  const Producer& producer = found->second;
  if (batch.producer_epoch < producer.epoch) return Refuse{broker_error::invalid_producer_epoch};
  if (batch.producer_epoch > producer.epoch) {
    if (batch.base_sequence == 0) return Accept{};
    return Refuse{broker_error::out_of_order_sequence_number};
  }
  const std::int32_t last = advance(batch.base_sequence, batch.count - 1);
  for (const Batch& known : producer.batches) {
    if (known.first_sequence == batch.base_sequence && known.last_sequence == last) {
      return Duplicate{known.base_offset, known.append_time};
    }
  }
  if (batch.base_sequence == advance(producer.batches.back().last_sequence, 1)) return Accept{};
  return Refuse{broker_error::out_of_order_sequence_number};
}

void ProducerState::stored(const wire::BatchHeader& batch) {
  if (batch.producer_id.is_none() || batch.is_control()) return;
  Producer& producer = producers_[batch.producer_id];
  if (producer.epoch != batch.producer_epoch) producer.batches.clear();
  producer.epoch = batch.producer_epoch;
  producer.last_time = batch.max_timestamp;
  producer.batches.push_back({batch.base_sequence, advance(batch.base_sequence, batch.count - 1),
                              batch.base_offset,
                              batch.is_log_append_time() ? batch.max_timestamp : Timestamp{}});
  if (producer.batches.size() > remembered_batches) producer.batches.pop_front();
}

void ProducerState::expire(Timestamp before) {
  std::erase_if(producers_, [&](const auto& entry) { return entry.second.last_time < before; });
}

}  // namespace dohle::log
