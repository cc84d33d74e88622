#include "log/producer_state.hpp"

#include <algorithm>
#include <string>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "wire/big_endian.hpp"
#include "wire/crc32c.hpp"

namespace dohle::log {

namespace {

// Sequences run from 0 to 2^31-1 and then start at 0 again.
std::int32_t advance(std::int32_t sequence, std::int32_t by) {
  return static_cast<std::int32_t>(
      (static_cast<std::uint32_t>(sequence) + static_cast<std::uint32_t>(by)) & 0x7fffffffu);
}

// docs/formats.md: version i16, CRC-32C u32 of all following bytes, count i32, then the producers.
constexpr std::int16_t snapshot_version = 1;
constexpr std::size_t crc_at = 2, count_at = 6, producers_at = 10;
// A producer: id i64, epoch i16, last sequence i32, last offset i64, offset delta i32, timestamp
// i64, coordinator epoch i32, first offset of the open transaction i64.
constexpr std::size_t producer_bytes = 46;

Error damaged(std::string_view what) {
  return Error::storage(Errc::damaged, "producer snapshot: " + std::string(what));
}

}  // namespace

ProducerState::Verdict ProducerState::judge(const wire::BatchHeader& batch) const {
  if (batch.producer_id.is_none()) return Accept{};
  const KnownProducer* found = producers_.find(batch.producer_id);
  if (found == nullptr) return Accept{};
  const KnownProducer& producer = *found;
  if (batch.producer_epoch < producer.epoch) return Refuse{broker_error::invalid_producer_epoch};
  if (batch.producer_epoch > producer.epoch) {
    if (batch.base_sequence == 0) return Accept{};
    return Refuse{broker_error::out_of_order_sequence_number};
  }
  const std::int32_t last = advance(batch.base_sequence, batch.count - 1);
  for (std::size_t i = 0; i < producer.count; ++i) {
    const Batch& known = producer.batches[i];
    if (known.first_sequence == batch.base_sequence && known.last_sequence == last) {
      return Duplicate{known.base_offset,
                       known.is_log_append_time ? known.max_timestamp : Timestamp{}};
    }
  }
  if (batch.base_sequence == advance(producer.newest().last_sequence, 1)) return Accept{};
  return Refuse{broker_error::out_of_order_sequence_number};
}

void ProducerState::stored(const wire::BatchHeader& batch, Timestamp now) {
  if (batch.producer_id.is_none() || batch.is_control()) return;
  KnownProducer& producer = producers_.use(batch.producer_id, now);
  if (producer.epoch != batch.producer_epoch) producer.count = 0;
  producer.epoch = batch.producer_epoch;
  producer.seen = now;
  producer.push({batch.base_sequence, advance(batch.base_sequence, batch.count - 1),
                 batch.base_offset, batch.last_offset_delta, batch.is_log_append_time(),
                 batch.max_timestamp});
}

void ProducerState::check_invariants() const {
  producers_.check_invariants();
}

void ProducerState::expire(Timestamp before, Timestamp now) {
  producers_.expire(before, now);
}

ProducerId ProducerState::highest_id() const {
  ProducerId highest;
  producers_.for_each(
      [&](ProducerId id, const KnownProducer&) { highest = std::max(highest, id); });
  return highest;
}

Slice ProducerState::snapshot(const ProducerTable::View& producers) {
  std::size_t count = 0;
  for (const auto& shard : producers) count += shard->producers.size();
  return Slice::made(producers_at + count * producer_bytes, [&](std::span<std::byte> out) {
    std::byte* to = out.data();
    wire::store_big_endian(to, snapshot_version);
    wire::store_big_endian(to + count_at, static_cast<std::int32_t>(count));
    std::byte* at = to + producers_at;
    for (const auto& shard : producers) {
      for (const auto& [id, producer] : shard->producers) {
        const Batch& last = producer.newest();
        wire::store_big_endian(at, id.value);
        wire::store_big_endian(at + 8, producer.epoch.value);
        wire::store_big_endian(at + 10, last.last_sequence);
        wire::store_big_endian(at + 14, (last.base_offset + last.offset_delta).value);
        wire::store_big_endian(at + 22, last.offset_delta);
        wire::store_big_endian(at + 26, last.max_timestamp.value);
        wire::store_big_endian(at + 34, std::int32_t{-1});
        wire::store_big_endian(at + 38, std::int64_t{-1});
        at += producer_bytes;
      }
    }
    wire::store_big_endian(to + crc_at, wire::crc32c(0, Bytes(out).subspan(count_at)));
  });
}

Result<ProducerState> ProducerState::from_snapshot(Bytes bytes) {
  if (bytes.size() < producers_at) return fail(damaged("it is cut off"));
  if (wire::load_big_endian<std::int16_t>(bytes.data()) != snapshot_version) {
    return fail(damaged("its version is not 1"));
  }
  if (wire::load_big_endian<std::uint32_t>(bytes.data() + crc_at) !=
      wire::crc32c(0, bytes.subspan(count_at))) {
    return fail(damaged("its CRC does not match its bytes"));
  }
  const auto count = wire::load_big_endian<std::int32_t>(bytes.data() + count_at);
  if (count < 0 ||
      bytes.size() != producers_at + static_cast<std::size_t>(count) * producer_bytes) {
    return fail(damaged("its length does not fit its count"));
  }
  ProducerState state;
  for (const std::byte* at = bytes.data() + producers_at; at != bytes.data() + bytes.size();
       at += producer_bytes) {
    const ProducerId id{wire::load_big_endian<std::int64_t>(at)};
    KnownProducer& producer = state.producers_.use(id, Timestamp{});
    producer.epoch = ProducerEpoch{wire::load_big_endian<std::int16_t>(at + 8)};
    Batch last;
    last.last_sequence = wire::load_big_endian<std::int32_t>(at + 10);
    last.offset_delta = wire::load_big_endian<std::int32_t>(at + 22);
    last.base_offset =
        Offset{wire::load_big_endian<std::int64_t>(at + 14)} + -std::int64_t{last.offset_delta};
    last.max_timestamp = Timestamp{wire::load_big_endian<std::int64_t>(at + 26)};
    last.first_sequence = advance(last.last_sequence, -last.offset_delta);
    producer.push(last);
  }
  return state;
}

void ProducerState::enrich(ProducerState recent) {
  recent.producers_.for_each([&](ProducerId id, const KnownProducer& producer) {
    producers_.use(id, producer.seen) = producer;
  });
}

}  // namespace dohle::log
