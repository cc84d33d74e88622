#include "client/produce_partition.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/broker_errors.hpp"

namespace dohle::client {

namespace {

/// Orders are spaced so that the parts of a split batch fit in, down to single records.
constexpr std::uint64_t order_step = std::uint64_t{1} << 31;

Error with_doubt(const Error& why, const SealedBatch& batch) {
  return batch.may_be_stored ? why.with_stored(Stored::possibly) : why;
}

}  // namespace

void ProducePartition::offer(const ProducerIdentity& identity) {
  offered_ = identity;
  if (identity_.id.is_none()) identity_ = identity;
}

std::int32_t ProducePartition::take_sequence(std::int32_t count) {
  if (!is_numbered()) return -1;
  // Sequences run from 0 to the largest number and begin again.
  const auto sequence = next_sequence_;
  next_sequence_ = static_cast<std::int32_t>(
      (static_cast<std::uint32_t>(sequence) + static_cast<std::uint32_t>(count)) & 0x7fffffffu);
  return sequence;
}

ProducePartition::Next ProducePartition::next(NodeId leader, TimePoint now) {
  if (leader.is_none() || now < not_before_) return Next::nothing;
  if (!in_flight_.empty() && leader != in_flight_node_) return Next::nothing;
  if (must_bump_) {
    if (!in_flight_.empty()) return Next::nothing;
    if (has_unresolved()) return Next::resend;
    if (!bump()) return Next::new_identity;
  }
  if (is_recovering_ && !in_flight_.empty()) return Next::nothing;
  if (!resend_.empty()) return Next::resend;
  return in_flight_.size() < in_flight_max ? Next::fresh : Next::nothing;
}

bool ProducePartition::has_unresolved() const {
  for (const SealedBatch& batch : resend_) {
    // Half of a batch that was refused: what was numbered behind that cannot be stored.
    if (batch.base_sequence < 0) return false;
    if (batch.is_unresolved) return true;
  }
  return false;
}

bool ProducePartition::bump() {
  if (offered_.id != identity_.id) {
    identity_ = offered_;
  } else if (identity_.epoch.value < std::numeric_limits<std::int16_t>::max()) {
    ++identity_.epoch.value;
  } else {
    return false;
  }
  must_bump_ = false;
  next_sequence_ = 0;
  for (SealedBatch& batch : resend_) {
    batch.base_sequence = take_sequence(batch.count);
    batch.bytes =
        wire::renumber_batch(batch.bytes, identity_.id, identity_.epoch, batch.base_sequence);
    batch.is_unresolved = false;
  }
  return true;
}

const SealedBatch& ProducePartition::resend(NodeId leader) {
  in_flight_node_ = leader;
  in_flight_.push_back(std::move(resend_.front()));
  resend_.pop_front();
  return in_flight_.back();
}

const SealedBatch& ProducePartition::seal(OpenBatch taken, wire::Compression codec,
                                          Chain compressed, Duration delivery_timeout,
                                          NodeId leader) {
  SealedBatch batch;
  batch.count = taken.builder.count();
  batch.base_sequence = take_sequence(batch.count);
  batch.bytes = taken.builder.seal({.producer_id = identity_.id,
                                    .producer_epoch = identity_.epoch,
                                    .base_sequence = batch.base_sequence,
                                    .compression = codec,
                                    .compressed = std::move(compressed)});
  batch.outcome = std::move(taken.outcome);
  batch.outcome->expect(static_cast<std::uint32_t>(batch.count));
  batch.calls = std::move(taken.calls);
  batch.expires_at = taken.opened_at + delivery_timeout;
  batch.order = next_order_;
  batch.order_span = order_step;
  next_order_ += order_step;
  in_flight_node_ = leader;
  in_flight_.push_back(std::move(batch));
  return in_flight_.back();
}

ProducePartition::Remedy ProducePartition::remedy_for(const SealedBatch& batch,
                                                      const ProduceVerdict& verdict,
                                                      bool is_oldest) const {
  if (!verdict.error) return Remedy::none;
  const Error& error = *verdict.error;
  if (error.is_broker(broker_error::duplicate_sequence_number)) return Remedy::none;
  if (is_numbered()) {
    if (error.is_broker(broker_error::out_of_order_sequence_number)) {
      // Behind a batch that failed it had to come; of the oldest one it means that the server
      // forgot what it had acknowledged.
      return is_oldest ? Remedy::bump_and_resend : Remedy::resend;
    }
    if (error.is_broker(broker_error::unknown_producer_id) ||
        error.is_broker(broker_error::invalid_producer_epoch)) {
      return Remedy::bump_and_resend;
    }
  }
  const bool is_too_large = error.is_broker(broker_error::message_too_large) ||
                            error.is_broker(broker_error::record_list_too_large);
  if (is_too_large && batch.count > 1) return Remedy::split;
  return error.is_retriable() ? Remedy::resend : Remedy::fail;
}

void ProducePartition::on_verdict(std::uint64_t order, const ProduceVerdict& verdict,
                                  TimePoint retry_at) {
  const auto found = std::ranges::find(in_flight_, order, &SealedBatch::order);
  if (found == in_flight_.end()) return;
  SealedBatch batch = std::move(*found);
  const bool is_oldest =
      found == in_flight_.begin() && (resend_.empty() || order < resend_.front().order);
  in_flight_.erase(found);
  if (verdict.is_unanswered) batch.may_be_stored = batch.is_unresolved = true;
  const Remedy remedy = remedy_for(batch, verdict, is_oldest);
  last_failure_ = remedy == Remedy::none ? std::nullopt : verdict.error;
  if (remedy == Remedy::none) {
    is_recovering_ = false;
    return settle(batch, verdict);
  }
  if (batch.is_abandoned || remedy == Remedy::fail) {
    must_bump_ = is_numbered();
    return settle(batch, verdict);
  }
  if (remedy == Remedy::bump_and_resend || remedy == Remedy::split) must_bump_ = is_numbered();
  if (remedy == Remedy::bump_and_resend) {
    // Not there, so nothing that was numbered behind it is there either.
    batch.is_unresolved = false;
    for (SealedBatch& later : resend_) later.is_unresolved = false;
  }
  if (remedy == Remedy::split) return split(std::move(batch));
  is_recovering_ = true;
  not_before_ = std::max(not_before_, retry_at);
  take_back(std::move(batch));
}

void ProducePartition::take_back(SealedBatch batch) {
  const auto place = std::ranges::upper_bound(resend_, batch.order, {}, &SealedBatch::order);
  resend_.insert(place, std::move(batch));
}

void ProducePartition::split(SealedBatch batch) {
  auto whole = batch.bytes.flatten();
  auto reader = whole ? wire::BatchReader::open(*whole, false) : fail(whole.error());
  if (!reader) return settle(batch, {.error = reader.error()});
  // Its memory was the batch's own; the halves are made beside the producer's budget.
  Budget budget(std::max<std::size_t>(4 * reader->records().size(), 8 * slab_bytes));
  const std::int32_t counts[] = {batch.count / 2, batch.count - batch.count / 2};
  RecordView view;
  std::uint32_t done = 0;
  for (const std::int32_t count : counts) {
    wire::BatchBuilder builder(budget, std::numeric_limits<std::int32_t>::max());
    for (std::int32_t i = 0; i < count && reader->next(view); ++i) {
      const std::vector<HeaderView> headers(view.headers.begin(), view.headers.end());
      const Record record{view.key, view.value, headers, view.timestamp, {}};
      builder.append(record, view.timestamp);
    }
    SealedBatch half;
    half.count = count;
    half.outcome = batch.outcome;
    half.first = batch.first + done;
    half.expires_at = batch.expires_at;
    half.order_span = batch.order_span / 2;
    half.order = batch.order + (done == 0 ? 0 : half.order_span);
    half.bytes = builder.seal({.producer_id = identity_.id, .producer_epoch = identity_.epoch});
    for (DeliveryCall& call : batch.calls) {
      const bool is_mine =
          call.index >= half.first && call.index - half.first < static_cast<std::uint32_t>(count);
      if (is_mine) half.calls.push_back(std::move(call));
    }
    std::erase_if(batch.calls, [](const DeliveryCall& call) { return !call.callback; });
    take_back(std::move(half));
    done += static_cast<std::uint32_t>(count);
  }
}

void ProducePartition::settle(SealedBatch& batch, const ProduceVerdict& verdict) {
  if (batch.is_abandoned) return;
  detail::Outcome::Part part{batch.first, static_cast<std::uint32_t>(batch.count)};
  const bool is_duplicate =
      verdict.error && verdict.error->is_broker(broker_error::duplicate_sequence_number);
  if (verdict.error && !is_duplicate) {
    part.error = with_doubt(*verdict.error, batch);
    part.record_errors = verdict.record_errors;
  } else {
    part.base_offset = verdict.base_offset;
    part.append_time = verdict.append_time;
  }
  const std::optional<Error> why = part.error;
  batch.outcome->settle(std::move(part));
  if (!batch.calls.empty()) batch.outcome->take();
  for (DeliveryCall& call : std::exchange(batch.calls, {})) {
    call.callback(batch.outcome->of(call.index, call.timestamp_delta));
  }
  events_.on_settled(batch, why);
}

bool ProducePartition::is_overdue(TimePoint now) const {
  const auto is_late = [now](const SealedBatch& batch) {
    return !batch.is_abandoned && batch.expires_at <= now;
  };
  return std::ranges::any_of(in_flight_, is_late) || std::ranges::any_of(resend_, is_late);
}

void ProducePartition::expire(TimePoint now, const Error& why) {
  for (SealedBatch& batch : in_flight_) {
    if (batch.is_abandoned || batch.expires_at > now) continue;
    batch.may_be_stored = true;
    settle(batch, {.error = why});
    batch.is_abandoned = true;
  }
  while (!resend_.empty() && resend_.front().expires_at <= now) {
    SealedBatch batch = std::move(resend_.front());
    resend_.pop_front();
    must_bump_ = is_numbered();
    settle(batch, {.error = why});
  }
}

void ProducePartition::fail_all(const Error& why) {
  for (SealedBatch& batch : in_flight_) {
    batch.may_be_stored = true;
    settle(batch, {.error = why});
    batch.is_abandoned = true;
  }
  auto resend = std::exchange(resend_, {});
  for (SealedBatch& batch : resend) settle(batch, {.error = why});
}

}  // namespace dohle::client
