#include "log/producer_table.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/random.hpp"

namespace dohle::log {

namespace {

/// Average size of a shard at which the table grows.
constexpr std::size_t producers_of_shard = 256;
constexpr std::size_t shards_expired_at_once = 16;

// Ids follow each other, or are chosen by clients: all bits have to count.
std::uint64_t hash_of(ProducerId id) {
  return split_mixed(static_cast<std::uint64_t>(id.value));
}

}  // namespace

void KnownProducer::push(const Batch& batch) {
  if (count == remembered_batches) {
    std::shift_left(batches.begin(), batches.end(), 1);
    --count;
  }
  batches[count++] = batch;
}

std::size_t ProducerTable::slot_of(ProducerId id) const {
  const std::size_t high = std::bit_ceil(slots_.size());
  const std::size_t slot = hash_of(id) & (high - 1);
  return slot < slots_.size() ? slot : slot & (high / 2 - 1);
}

const KnownProducer* ProducerTable::find(ProducerId id) const {
  if (slots_.empty()) return nullptr;
  const auto& producers = slots_[slot_of(id)].shard->producers;
  const auto found = producers.find(id);
  return found == producers.end() ? nullptr : &found->second;
}

KnownProducer& ProducerTable::use(ProducerId id, Timestamp seen) {
  if (size_ >= slots_.size() * producers_of_shard) split();
  Shard& shard = owned(slots_[slot_of(id)]);
  shard.oldest_seen = shard.producers.empty() ? seen : std::min(shard.oldest_seen, seen);
  const auto [at, is_new] = shard.producers.try_emplace(id);
  if (is_new) ++size_;
  return at->second;
}

ProducerTable::Shard& ProducerTable::owned(Slot& slot) {
  if (std::exchange(slot.is_viewed, false)) slot.shard = std::make_shared<Shard>(*slot.shard);
  return *slot.shard;
}

// Moves the producers of one shard whose hash has the next bit set into a new shard.
void ProducerTable::split() {
  const std::size_t added = slots_.size();
  slots_.push_back({std::make_shared<Shard>()});
  if (added == 0) return;
  const std::size_t low = std::bit_floor(added);
  Shard& from = owned(slots_[added - low]);
  Shard& to = *slots_[added].shard;
  to.oldest_seen = from.oldest_seen;
  for (auto at = from.producers.begin(); at != from.producers.end();) {
    const auto next = std::next(at);
    if ((hash_of(at->first) & low) != 0) to.producers.insert(from.producers.extract(at));
    at = next;
  }
}

void ProducerTable::expire(Timestamp before, Timestamp now) {
  std::size_t left = shards_expired_at_once;
  for (std::size_t i = 0; i < slots_.size() && left > 0; ++i) {
    if (next_expired_ >= slots_.size()) next_expired_ = 0;
    Slot& slot = slots_[next_expired_++];
    const Timestamp oldest_seen = slot.shard->oldest_seen;
    if (slot.shard->producers.empty() || (!oldest_seen.is_none() && oldest_seen >= before)) {
      continue;
    }
    --left;
    Shard& shard = owned(slot);
    Timestamp oldest = now;
    for (auto& [id, producer] : shard.producers) {
      if (producer.seen.is_none()) producer.seen = now;
      if (producer.seen >= before) oldest = std::min(oldest, producer.seen);
    }
    size_ -= std::erase_if(shard.producers,
                           [&](const auto& known) { return known.second.seen < before; });
    shard.oldest_seen = oldest;
  }
}

ProducerTable::View ProducerTable::begin_view() {
  View view;
  view.reserve(slots_.size());
  for (Slot& slot : slots_) {
    slot.is_viewed = true;
    view.push_back(slot.shard);
  }
  return view;
}

void ProducerTable::end_view() {
  for (Slot& slot : slots_) slot.is_viewed = false;
}

void ProducerTable::check_invariants() const {
  std::size_t size = 0;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Shard& shard = *slots_[i].shard;
    size += shard.producers.size();
    for (const auto& [id, producer] : shard.producers) {
      DOHLE_ASSERT(!id.is_none(), "a batch without a producer is remembered");
      DOHLE_ASSERT(slot_of(id) == i, "a producer is in a shard where no call finds it");
      DOHLE_ASSERT(producer.count > 0 && producer.count <= KnownProducer::remembered_batches,
                   "a known producer has no batch, or too many");
      DOHLE_ASSERT(producer.seen.is_none() || shard.oldest_seen <= producer.seen,
                   "a producer was last seen before its shard's oldest time");
    }
  }
  DOHLE_ASSERT(size == size_, "producers are miscounted");
}

}  // namespace dohle::log
