#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>

#include "base/assert.hpp"
#include "log/partition_log.hpp"
#include "wire/batch_layout.hpp"
#include "wire/big_endian.hpp"
#include "wire/crc32c.hpp"

namespace dohle::log {

namespace {

constexpr std::int16_t log_append_time_bit = 8;

}  // namespace

/// A batch that is being appended. `stamp` and `write_to` may run on a disk thread.
struct PartitionLog::Appending {
  Slice batch;
  wire::BatchHeader header;
  /// None under create_time.
  Timestamp append_time;
  Timestamp now;
  std::array<std::byte, wire::batch_header_bytes> head = {};

  Result<void> outcome = {};

  [[nodiscard]] std::array<Bytes, 2> pieces() const {
    return {Bytes(head), batch.bytes().subspan(head.size())};
  }
  /// Stamps a copy of the header; the records stay in their place in the batch.
  void stamp() {
    std::ranges::copy(batch.bytes().first(head.size()), head.begin());
    wire::stamp_batch(head, header.base_offset, header.leader_epoch);
    const bool lies =
        wire::load_big_endian<std::int64_t>(head.data() + wire::batch_at::max_timestamp) !=
        header.max_timestamp.value;
    if (append_time.is_none() && !lies) return;
    wire::store_big_endian(head.data() + wire::batch_at::attributes, header.attributes);
    wire::store_big_endian(head.data() + wire::batch_at::max_timestamp, header.max_timestamp.value);
    header.crc = wire::crc32c(wire::crc32c(0, Bytes(head).subspan(wire::batch_at::crc_begin)),
                              pieces().back());
    wire::store_big_endian(head.data() + wire::batch_at::crc, header.crc);
  }
  /// A copy of the bytes that were written.
  [[nodiscard]] StoredBatch stored() const {
    return {header.base_offset, header.next_offset(),
            Slice::made(batch.size(), [this](std::span<std::byte> bytes) {
              const auto [first, rest] = pieces();
              std::memcpy(bytes.data(), first.data(), first.size());
              std::memcpy(bytes.data() + first.size(), rest.data(), rest.size());
            })};
  }
  void write_to(File& file, std::uint64_t position) { outcome = file.write(position, pieces()); }
};

Error PartitionLog::refused(std::int16_t code, std::string_view why) const {
  return Error::broker(code, "append to " + directory_, why);
}

Result<Appended> PartitionLog::append(const Slice& batch, const wire::BatchHeader& header,
                                      LeaderEpoch leader_epoch, Now now, StoredBatch* stored) {
  DOHLE_ASSERT(!is_appending(), "two batches are appended at a time");
  Appending appending{batch, header, {}, now.wall};
  auto known = begin_append(appending, leader_epoch, now);
  if (!known) return fail(known.error());
  if (*known) return **known;
  appending.stamp();
  appending.outcome = active().append(appending.pieces(), appending.header);
  auto appended = end_append(appending);
  if (appended && stored != nullptr) *stored = appending.stored();
  return appended;
}

void PartitionLog::append_beside(Slice batch, const wire::BatchHeader& header,
                                 LeaderEpoch leader_epoch, Now now, AppendedBeside done) {
  DOHLE_ASSERT(!is_appending(), "two batches are appended at a time");
  auto appending = std::make_shared<Appending>(Appending{std::move(batch), header, {}, now.wall});
  auto known = begin_append(*appending, leader_epoch, now);
  if (!known) return done(fail(known.error()));
  if (*known) return done(**known);
  auto file = active().begin_append(appending->header);
  if (!file) {
    appending->outcome = fail(file.error());
    return done(end_append(*appending));
  }
  auto waiting = std::make_shared<std::vector<Task>>();
  when_appended_ = waiting;
  disk_->run(
      [appending, file = *std::move(file), position = active().size()] {
        appending->stamp();
        appending->write_to(*file, position);
      },
      [self = std::weak_ptr(self_), appending, waiting, done = std::move(done)]() mutable {
        const auto log = self.lock();
        done(log ? (*log)->appended_beside(*appending)
                 : Result<Appended>(fail(Error::client(Errc::closed, "the log was closed"))));
        for (Task& each : *waiting) each();
      });
}

Result<Appended> PartitionLog::appended_beside(Appending& appending) {
  DOHLE_ASSERT(is_appending(), "an append ends that was not begun");
  when_appended_.reset();
  if (appending.outcome) {
    active().end_append(appending.header);
  } else {
    active().fail_append();
  }
  if (offline_) return fail(*offline_);
  return end_append(appending);
}

// Absent if the batch has yet to be written.
Result<std::optional<Appended>> PartitionLog::begin_append(Appending& appending,
                                                           LeaderEpoch leader_epoch, Now now) {
  if (offline_) return fail(*offline_);
  wire::BatchHeader& header = appending.header;
  DOHLE_ASSERT(appending.batch.size() == header.size() && header.count > 0,
               "a batch is appended that was not validated");
  if (auto fits = check_batch_size(header.size(), config_); !fits) {
    return fail(fits.error().within(directory_));
  }
  auto known = judge_sequence(header);
  if (!known || *known) return known;
  header.base_offset = end_;
  header.leader_epoch = leader_epoch;
  if (config_.timestamp_type == TimestampType::log_append_time) {
    appending.append_time = now.wall;
    header.attributes = static_cast<std::int16_t>(header.attributes | log_append_time_bit);
    header.max_timestamp = now.wall;
  }
  if (auto written = write_what_recovery_left(); !written) return fail(written.error());
  if (should_roll(header, header.size(), now)) {
    if (auto rolled = roll(now.wall); !rolled) return fail(rolled.error());
  }
  if (auto begun = begin_epoch(leader_epoch, end_); !begun) return fail(begun.error());
  if (auto noted = note_names(); !noted) return fail(noted.error());
  return std::nullopt;
}

// A duplicate gets the offsets of the batch that is in the log already.
Result<std::optional<Appended>> PartitionLog::judge_sequence(const wire::BatchHeader& header) {
  if (header.producer_id.is_none()) return std::nullopt;
  if (auto known = know_producers(); !known) return fail(known.error());
  const auto verdict = producers_.judge(header);
  if (const auto* known = std::get_if<ProducerState::Duplicate>(&verdict)) {
    return Appended{known->base_offset, known->base_offset + header.last_offset_delta,
                    known->append_time, true, log_start_};
  }
  if (const auto* no = std::get_if<ProducerState::Refuse>(&verdict)) {
    return fail(refused(no->code, "producer " + std::to_string(header.producer_id.value) +
                                      ", epoch " + std::to_string(header.producer_epoch.value) +
                                      ", sequence " + std::to_string(header.base_sequence)));
  }
  return std::nullopt;
}

Result<Appended> PartitionLog::end_append(const Appending& appending) {
  if (!appending.outcome) {
    if (active().is_broken()) go_offline(appending.outcome.error());
    if (active().needs_indexes()) was_prepared_ = false;  // the next append waits
    return fail(appending.outcome.error());
  }
  const wire::BatchHeader& stored = appending.header;
  if (active_since_.is_none()) active_since_ = appending.now;
  end_ = stored.next_offset();
  if (are_producers_known_) producers_.stored(stored, appending.now);
  DOHLE_CHECK_INVARIANTS(*this);
  return Appended{stored.base_offset, stored.last_offset(), appending.append_time, false,
                  log_start_};
}

Result<void> PartitionLog::write_what_recovery_left() {
  if (!unwritten_) return {};
  if (!std::exchange(unwritten_->is_news, false)) finish_recovery();
  if (offline_) return fail(*offline_);
  return unwritten_ ? fail(*unwritten_->why) : Result<void>();
}

}  // namespace dohle::log
