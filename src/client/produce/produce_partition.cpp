#include "client/produce/produce_partition.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"

namespace dohle::client {

namespace {

/// Distance between the orders of two batches, large enough for the parts of a split batch, down to
/// single records.
constexpr std::uint64_t order_step = std::uint64_t{1} << 31;

Error with_doubt(const Error& why, const SealedBatch& batch) {
  return batch.may_be_stored ? why.with_stored(Stored::possibly) : why;
}

}  // namespace

void call_back(std::vector<DeliveryCall> calls, Outcome& outcome,
               ProducePartition::Events& events) {
  const bool is_read =
      std::ranges::any_of(calls, [](const DeliveryCall& call) { return !call.is_observer; });
  if (is_read) outcome.take();
  for (DeliveryCall& call : calls) {
    try {
      call.callback(outcome.of(call.index, call.timestamp_delta));
    } catch (...) {
      events.on_thrown();
    }
  }
}

void ProducePartition::offer(const ProducerIdentity& identity) {
  offered_ = identity;
  if (identity_.id.is_none()) identity_ = identity;
}

void ProducePartition::check_batch(const SealedBatch& batch) const {
  DOHLE_ASSERT(batch.count > 0, "a sealed batch has no records");
  DOHLE_ASSERT(!batch.bytes.empty(), "a sealed batch has no bytes");
  DOHLE_ASSERT(batch.order > 0 && batch.order < next_order_,
               "a batch has an order that was not assigned yet");
  DOHLE_ASSERT(batch.order_span > 0, "a batch was split below single records");
  DOHLE_ASSERT(!batch.is_abandoned || batch.calls.empty(),
               "an abandoned batch still has callbacks");
  DOHLE_ASSERT(is_numbered() || batch.base_sequence < 0,
               "a batch has a sequence without a producer id");
  DOHLE_ASSERT(!batch.is_unresolved || batch.may_be_stored,
               "a batch that cannot be stored is unresolved");
}

void ProducePartition::check_invariants() const {
  DOHLE_ASSERT(in_flight_.size() <= max_in_flight, "more batches in flight than servers remember");
  DOHLE_ASSERT(in_flight_.empty() || !in_flight_node_.is_none(),
               "batches are in flight to no server");
  DOHLE_ASSERT(!must_bump_ || is_numbered(), "an epoch has to change without a producer id");
  DOHLE_ASSERT(next_sequence_ >= 0, "the next sequence is negative");
  for (const SealedBatch& batch : in_flight_) {
    check_batch(batch);
    DOHLE_ASSERT(!batch.is_splitting, "a batch is in flight that has to be split");
    DOHLE_ASSERT(is_numbered() == (batch.base_sequence >= 0),
                 "a batch in flight has no sequence, or one without a producer id");
    DOHLE_ASSERT(std::ranges::find(resend_, batch.order, &SealedBatch::order) == resend_.end(),
                 "a batch is in flight and queued for resending");
  }
  const SealedBatch* before = nullptr;
  for (const SealedBatch& batch : resend_) {
    check_batch(batch);
    DOHLE_ASSERT(before == nullptr || before->order < batch.order,
                 "batches queued for resending are out of order");
    DOHLE_ASSERT(!batch.is_splitting || !batch.is_unresolved,
                 "a batch that was refused as too large counts as possibly stored");
    DOHLE_ASSERT(!is_numbered() || batch.base_sequence >= 0 || must_bump_,
                 "a batch without a sequence is resent under the current epoch");
    before = &batch;
  }
}

std::int32_t ProducePartition::take_sequence(std::int32_t count) {
  if (!is_numbered()) return -1;
  // Sequences wrap around to 0 after 2^31-1.
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
    if (is_splitting()) return Next::nothing;
    if (!bump()) return Next::new_identity;
  }
  const bool goes_alone = is_recovering_ || (is_numbered() && !is_known_);
  if (goes_alone && !in_flight_.empty()) return Next::nothing;
  // A split batch has more parts than there were batches in flight.
  if (in_flight_.size() >= max_in_flight) return Next::nothing;
  if (!resend_.empty()) return resend_.front().is_splitting ? Next::nothing : Next::resend;
  return Next::fresh;
}

bool ProducePartition::has_unresolved() const {
  for (const SealedBatch& batch : resend_) {
    // Refused, or a half of a refused batch: no batch numbered after it can be stored.
    if (batch.base_sequence < 0) return false;
    if (batch.is_unresolved) return true;
  }
  return false;
}

bool ProducePartition::is_splitting() const {
  return std::ranges::any_of(resend_, &SealedBatch::is_splitting);
}

bool ProducePartition::bump() {
  if (offered_.id != identity_.id) {
    identity_ = offered_;
  } else if (identity_.epoch.value < std::numeric_limits<std::int16_t>::max()) {
    ++identity_.epoch.value;
  } else {
    return false;
  }
  DOHLE_ASSERT(in_flight_.empty(), "the epoch changes while batches of it are in flight");
  must_bump_ = is_known_ = false;
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
  DOHLE_ASSERT(!resend_.empty() && !resend_.front().is_splitting, "there is no batch to resend");
  DOHLE_ASSERT(in_flight_.empty() || in_flight_node_ == leader,
               "a new leader gets a batch before the old one has answered");
  in_flight_node_ = leader;
  in_flight_.push_back(std::move(resend_.front()));
  resend_.pop_front();
  DOHLE_CHECK_INVARIANTS(*this);
  return in_flight_.back();
}

const SealedBatch& ProducePartition::seal(OpenBatch taken, wire::Compression codec,
                                          Chain compressed, Duration delivery_timeout,
                                          NodeId leader) {
  DOHLE_ASSERT(resend_.empty(), "a fresh batch is sealed before one that has to be resent");
  DOHLE_ASSERT(!must_bump_, "a batch is sealed under an ended epoch");
  DOHLE_ASSERT(in_flight_.empty() || in_flight_node_ == leader,
               "a new leader gets a batch before the old one has answered");
  SealedBatch batch;
  batch.count = taken.builder.count();
  batch.base_sequence = take_sequence(batch.count);
  batch.bytes = taken.builder.seal({.producer_id = identity_.id,
                                    .producer_epoch = identity_.epoch,
                                    .base_sequence = batch.base_sequence,
                                    .compression = codec,
                                    .compressed = std::move(compressed)});
  batch.outcome = std::move(taken.outcome);
  batch.serial = taken.serial;
  batch.outcome->expect(static_cast<std::uint32_t>(batch.count));
  batch.calls = std::move(taken.calls);
  batch.kept = std::move(taken.kept);
  batch.expires_at = taken.opened_at + delivery_timeout;
  batch.order = next_order_;
  batch.order_span = order_step;
  next_order_ += order_step;
  in_flight_node_ = leader;
  in_flight_.push_back(std::move(batch));
  DOHLE_CHECK_INVARIANTS(*this);
  return in_flight_.back();
}

ProducePartition::Remedy ProducePartition::remedy_for(const SealedBatch& batch,
                                                      const ProduceVerdict& verdict,
                                                      bool is_oldest) const {
  if (!verdict.error) return Remedy::none;
  const Error& error = *verdict.error;
  if (error.is_broker(broker_error::duplicate_sequence_number)) return Remedy::none;
  if (is_about_numbers(error)) {
    // Expected after a failed batch. For the oldest batch it means that the server lost
    // acknowledged batches.
    const bool is_behind =
        !is_oldest && error.is_broker(broker_error::out_of_order_sequence_number);
    return is_behind ? Remedy::resend : Remedy::bump_and_resend;
  }
  const bool is_too_large = error.is_broker(broker_error::message_too_large) ||
                            error.is_broker(broker_error::record_list_too_large);
  if (is_too_large && batch.count > 1) return Remedy::split;
  return error.is_retriable() ? Remedy::resend : Remedy::fail;
}

bool ProducePartition::is_about_numbers(const Error& why) const {
  return is_numbered() && (why.is_broker(broker_error::out_of_order_sequence_number) ||
                           why.is_broker(broker_error::unknown_producer_id) ||
                           why.is_broker(broker_error::invalid_producer_epoch));
}

bool ProducePartition::is_oldest(std::uint64_t order) const {
  const bool is_first_in_flight = !in_flight_.empty() && in_flight_.front().order == order;
  return is_first_in_flight && (resend_.empty() || order < resend_.front().order);
}

void ProducePartition::on_verdict(std::uint64_t order, const ProduceVerdict& verdict,
                                  TimePoint retry_at) {
  const auto found = std::ranges::find(in_flight_, order, &SealedBatch::order);
  if (found == in_flight_.end()) return;
  const bool was_oldest = is_oldest(order);
  SealedBatch batch = std::move(*found);
  in_flight_.erase(found);
  if (verdict.is_unanswered) batch.may_be_stored = batch.is_unresolved = true;
  const Remedy remedy = remedy_for(batch, verdict, was_oldest);
  if (remedy == Remedy::none) {
    // Only the oldest batch's success ends recovery. After a later one's, more batches could be
    // sent, and the server would forget the oldest one's number before that is sent again.
    if (was_oldest) is_recovering_ = false;
    is_known_ = true;
    return settle(batch, verdict);
  }
  if (remedy == Remedy::fail) {
    must_bump_ = is_numbered();
    settle(batch, verdict);
    return drop_abandoned();
  }
  if (remedy == Remedy::bump_and_resend || remedy == Remedy::split) must_bump_ = is_numbered();
  if (remedy == Remedy::bump_and_resend) {
    // It is not stored, so no batch numbered after it is stored either.
    batch.is_unresolved = false;
    for (SealedBatch& later : resend_) later.is_unresolved = false;
  }
  batch.last_failure = verdict.error;
  if (remedy == Remedy::split && !batch.is_abandoned) {
    split(std::move(batch));
    return drop_abandoned();
  }
  if (remedy == Remedy::split) batch.is_unresolved = false;
  std::optional<SealedBatch> told;
  if (has_no_retry_left(batch, *verdict.error)) told = abandon(batch);
  is_recovering_ = true;
  not_before_ = std::max(not_before_, retry_at);
  take_back(std::move(batch));
  drop_abandoned();
  if (told) settle(*told, {.error = verdict.error->within(retries_used())});
}

/// Refusals of its number are no failures of the batch itself.
bool ProducePartition::has_no_retry_left(SealedBatch& batch, const Error& failure) const {
  if (batch.is_abandoned || is_about_numbers(failure)) return false;
  ++batch.failures;
  return retries_ && batch.failures > *retries_;
}

std::string ProducePartition::retries_used() const {
  return fmt::format("produce to {}: retries ({}) are used", name_, *retries_);
}

/// An abandoned batch is sent again if later batches still have time. While it may still arrive on
/// an abandoned connection, they may arrive there too, and renumbered they would be stored twice.
void ProducePartition::drop_abandoned() {
  bool is_needed =
      std::ranges::any_of(in_flight_, [](const SealedBatch& batch) { return !batch.is_abandoned; });
  for (auto batch = resend_.end(); batch != resend_.begin();) {
    --batch;
    if (!batch->is_abandoned) {
      is_needed = is_needed || batch->is_unresolved;
      continue;
    }
    const bool may_be_under_way = is_numbered() && batch->is_unresolved;
    if (may_be_under_way && is_needed) continue;
    if (!may_be_under_way) {
      // A batch numbered after it can no longer be accepted.
      std::for_each(batch, resend_.end(), [](SealedBatch& later) { later.is_unresolved = false; });
      is_needed = false;
    }
    batch = resend_.erase(batch);
    must_bump_ = is_numbered();
  }
}

void ProducePartition::take_back(SealedBatch batch) {
  const auto place = std::ranges::upper_bound(resend_, batch.order, {}, &SealedBatch::order);
  resend_.insert(place, std::move(batch));
}

void ProducePartition::split(SealedBatch batch) {
  batch.is_splitting = true;
  // It is not stored. Its halves are numbered once they are made.
  batch.is_unresolved = false;
  batch.base_sequence = -1;
  const std::uint64_t order = batch.order;
  Chain bytes = batch.bytes;
  take_back(std::move(batch));
  events_.on_too_large(order, std::move(bytes));
}

void ProducePartition::on_halves(std::uint64_t order, Result<Halves> halves) {
  const auto found = std::ranges::find(resend_, order, &SealedBatch::order);
  // It may have expired meanwhile.
  if (found == resend_.end()) return;
  SealedBatch whole = std::move(*found);
  resend_.erase(found);
  if (!halves) return settle(whole, {.error = halves.error()});
  std::int32_t done = 0;
  for (HalfBatch& half : *halves) {
    const std::int32_t count = half.count;
    take_back(part_of(whole, std::move(half), done));
    done += count;
  }
}

SealedBatch ProducePartition::part_of(SealedBatch& whole, HalfBatch half, std::int32_t done) {
  SealedBatch part;
  part.bytes = std::move(half.bytes);
  part.count = half.count;
  part.outcome = whole.outcome;
  part.serial = whole.serial;
  part.kept = whole.kept;
  part.first = whole.first + static_cast<std::uint32_t>(done);
  part.expires_at = whole.expires_at;
  part.last_failure = whole.last_failure;
  part.failures = whole.failures;
  part.order_span = whole.order_span / 2;
  part.order = whole.order + (done == 0 ? 0 : part.order_span);
  for (DeliveryCall& call : whole.calls) {
    const bool is_its = call.index >= part.first &&
                        call.index - part.first < static_cast<std::uint32_t>(part.count);
    if (is_its) part.calls.push_back(std::move(call));
  }
  std::erase_if(whole.calls, [](const DeliveryCall& call) { return !call.callback; });
  return part;
}

void ProducePartition::settle(SealedBatch& batch, const ProduceVerdict& verdict) {
  if (batch.is_abandoned) return;
  client::Outcome::Part part{batch.first, static_cast<std::uint32_t>(batch.count)};
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
  events_.on_outcome(batch, part);
  batch.outcome->settle(std::move(part));
  call_back(std::exchange(batch.calls, {}), *batch.outcome.get(), events_);
  events_.on_settled(batch, why);
}

Error ProducePartition::out_of_time(const SealedBatch& batch) const {
  const std::string reason = batch.last_failure
                                 ? fmt::format("; last: {}", batch.last_failure->to_string())
                                 : std::string(" without an answer");
  const Error why = Error::client(
      Errc::timed_out, fmt::format("produce to {}: delivery_timeout passed{}", name_, reason));
  return with_doubt(why, batch);
}

/// Marks the batch as abandoned and keeps it for its answer. Returns the parts that its callers
/// have to be told of.
SealedBatch ProducePartition::abandon(SealedBatch& batch) {
  SealedBatch told;
  told.count = batch.count;
  told.outcome = std::move(batch.outcome);
  told.serial = batch.serial;
  told.kept = std::move(batch.kept);
  told.first = batch.first;
  told.calls = std::exchange(batch.calls, {});
  told.may_be_stored = batch.may_be_stored;
  told.last_failure = batch.last_failure;
  batch.is_abandoned = true;
  return told;
}

TimePoint ProducePartition::expires_at() const {
  TimePoint first = never;
  for (const auto* queue : {&in_flight_, &resend_}) {
    for (const SealedBatch& batch : *queue) {
      if (!batch.is_abandoned) first = std::min(first, batch.expires_at);
    }
  }
  return first;
}

std::optional<Error> ProducePartition::last_failure() const {
  if (!in_flight_.empty() && in_flight_.front().last_failure)
    return in_flight_.front().last_failure;
  return resend_.empty() ? std::nullopt : resend_.front().last_failure;
}

void ProducePartition::expire(TimePoint now) {
  // A callback may send, flush or close, so both queues are consistent before the first one runs.
  std::vector<SealedBatch> told;
  for (auto* queue : {&in_flight_, &resend_}) {
    for (SealedBatch& batch : *queue) {
      if (batch.is_abandoned || batch.expires_at > now) continue;
      batch.may_be_stored = batch.may_be_stored || queue == &in_flight_;
      told.push_back(abandon(batch));
    }
  }
  drop_abandoned();
  DOHLE_CHECK_INVARIANTS(*this);
  for (SealedBatch& batch : told) settle(batch, {.error = out_of_time(batch)});
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
