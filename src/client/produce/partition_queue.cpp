#include "client/produce/partition_queue.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace dohle::client {

namespace {

std::int32_t delta_of(Timestamp timestamp, Timestamp base) {
  const auto delta = static_cast<std::int64_t>(static_cast<std::uint64_t>(timestamp.value) -
                                               static_cast<std::uint64_t>(base.value));
  return delta > INT32_MIN && delta <= INT32_MAX ? static_cast<std::int32_t>(delta)
                                                 : client::far_timestamp;
}

// Returns the place of the batch's newest record and stores its callback.
PartitionQueue::Place note_newest(OpenBatch& batch, Timestamp timestamp,
                                  const PartitionQueue::Wish& wish) {
  PartitionQueue::Place place;
  place.serial = batch.serial;
  place.index = static_cast<std::uint32_t>(batch.builder.count() - 1);
  place.timestamp_delta = delta_of(timestamp, batch.outcome->base_timestamp);
  if (place.timestamp_delta == client::far_timestamp) {
    batch.outcome->note_far(place.index, timestamp);
  }
  if (wish.reference) {
    batch.outcome->retain();
    place.outcome = batch.outcome.get();
  }
  if (wish.callback != nullptr) {
    batch.calls.push_back(
        {place.index, place.timestamp_delta, std::move(*wish.callback), wish.is_observer});
  }
  return place;
}

}  // namespace

Timestamp PartitionQueue::open(Timestamp of_record) {
  const Now now = environment_.clock.now();
  const Timestamp timestamp = of_record.is_none() ? now.wall : of_record;
  opened_wall_ = now.wall;
  DOHLE_ASSERT(!is_closed_, "a batch is opened in a closed queue");
  batches_.push_back({wire::BatchBuilder(budget_, settings_.batch_bytes, settings_.checksum,
                                         settings_.max_lone_bytes),
                      client::OutcomeRef(new client::Outcome(owner_, topic_, topic_serial_,
                                                             partition_, timestamp)),
                      {},
                      now.mono,
                      ++opened_});
  is_full_ = false;
  return timestamp;
}

PartitionQueue::Place PartitionQueue::append(const Record& record, const Wish& wish) {
  const std::lock_guard lock(mutex_);
  if (is_closed_) return {.appended = Appended::closed};
  const bool was_empty = batches_.empty();
  bool has_filled_one = false;
  for (;;) {
    const bool needs_batch = batches_.empty() || is_full_;
    if (wish.only_serial != 0 && (needs_batch || opened_ != wish.only_serial)) {
      return {.appended = Appended::moved_on, .wake = has_filled_one};
    }
    Timestamp timestamp = record.timestamp;
    if (needs_batch) {
      timestamp = open(timestamp);
    } else if (timestamp.is_none()) {
      timestamp = std::max(environment_.record_time.wall(), opened_wall_);
    }
    OpenBatch& batch = batches_.back();
    const auto appended = batch.builder.append(record, timestamp);
    if (appended == wire::BatchBuilder::Appended::full) {
      is_full_ = true;
      has_filled_one = true;
      continue;
    }
    if (appended != wire::BatchBuilder::Appended::ok) {
      if (batch.builder.empty()) {
        // No caller has seen this batch.
        batches_.pop_back();
        --opened_;
        is_full_ = !batches_.empty();
      }
      const bool is_too_large = appended == wire::BatchBuilder::Appended::too_large;
      return {.appended = is_too_large ? Appended::too_large : Appended::no_memory,
              .wake = has_filled_one};
    }
    Place place = note_newest(batch, timestamp, wish);
    if (batch.builder.size() >= settings_.batch_bytes) is_full_ = true;
    const bool is_due_now =
        is_full_ || static_cast<std::size_t>(batch.builder.count()) == settings_.batch_records;
    place.wake = has_filled_one || was_empty || is_due_now;
    return place;
  }
}

bool PartitionQueue::hurry() {
  const std::lock_guard lock(mutex_);
  if (batches_.empty() || due_up_to_ == opened_) return false;
  DOHLE_ASSERT(due_up_to_ < opened_, "an unopened batch is due");
  due_up_to_ = opened_;
  return true;
}

void PartitionQueue::close() {
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  due_up_to_ = opened_;
}

bool PartitionQueue::close_if_settled(std::uint64_t up_to) {
  const std::lock_guard lock(mutex_);
  if (opened_ > up_to) return false;
  is_closed_ = true;
  return true;
}

void PartitionQueue::reopen() {
  const std::lock_guard lock(mutex_);
  is_closed_ = false;
}

bool PartitionQueue::is_due(const OpenBatch& batch, TimePoint now) const {
  const bool is_last = &batch == &batches_.back();
  // A turn's `now` may be older than the batch, so without linger the two are not compared.
  return !is_last || is_full_ || batch.serial <= due_up_to_ ||
         settings_.linger == Duration::zero() || batch.opened_at + settings_.linger <= now ||
         (settings_.batch_records != 0 &&
          static_cast<std::size_t>(batch.builder.count()) >= settings_.batch_records);
}

PartitionQueue::Due PartitionQueue::due(TimePoint now) const {
  const std::lock_guard lock(mutex_);
  Due due;
  for (const OpenBatch& batch : batches_) {
    if (!is_due(batch, now)) {
      due.next = batch.opened_at + settings_.linger;
      break;
    }
    due.bytes += batch.builder.size();
    due.since = std::min(due.since, batch.opened_at);
  }
  return due;
}

OpenBatch PartitionQueue::take_first() {
  DOHLE_ASSERT(!batches_.empty(), "a batch is taken from an empty queue");
  DOHLE_ASSERT(opened_ - batches_.front().serial + 1 == batches_.size(),
               "batches of a queue are not consecutive");
  OpenBatch taken(std::move(batches_.front()));
  DOHLE_ASSERT(!taken.builder.empty(), "an open batch has no records");
  batches_.pop_front();
  if (batches_.empty()) is_full_ = false;
  return taken;
}

std::optional<OpenBatch> PartitionQueue::take(TimePoint now) {
  const std::lock_guard lock(mutex_);
  if (batches_.empty() || !is_due(batches_.front(), now)) return std::nullopt;
  return take_first();
}

std::optional<OpenBatch> PartitionQueue::take(TimePoint now, std::size_t max_bytes,
                                              bool& is_larger) {
  const std::lock_guard lock(mutex_);
  if (batches_.empty() || !is_due(batches_.front(), now)) return std::nullopt;
  is_larger = batches_.front().builder.size() > max_bytes;
  if (is_larger) return std::nullopt;
  return take_first();
}

std::optional<OpenBatch> PartitionQueue::take_any() {
  const std::lock_guard lock(mutex_);
  if (batches_.empty()) return std::nullopt;
  return take_first();
}

bool PartitionQueue::is_empty() const {
  const std::lock_guard lock(mutex_);
  return batches_.empty();
}

TimePoint PartitionQueue::oldest() const {
  const std::lock_guard lock(mutex_);
  return batches_.empty() ? never : batches_.front().opened_at;
}

std::uint64_t PartitionQueue::opened() const {
  const std::lock_guard lock(mutex_);
  return opened_;
}

}  // namespace dohle::client
