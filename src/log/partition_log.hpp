#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/chain.hpp"
#include "base/disk.hpp"
#include "base/time.hpp"
#include "log/producer_state.hpp"
#include "log/segment.hpp"
#include "wire/batch.hpp"

namespace dohle::log {

enum class TimestampType : std::uint8_t { create_time, log_append_time };

/// A topic's settings as far as its logs obey them; the defaults are Apache Kafka's.
struct LogConfig {
  std::int64_t segment_bytes = std::int64_t{1} << 30;
  std::chrono::milliseconds segment_age_max = std::chrono::hours(24 * 7);
  /// -1: for ever.
  std::int64_t retention_ms = std::int64_t{7} * 24 * 3600 * 1000;
  /// -1: without limit.
  std::int64_t retention_bytes = -1;
  std::size_t message_bytes_max = 1'048'588;
  TimestampType timestamp_type = TimestampType::create_time;
};

/// What opening a log after a crash did to it.
struct RecoveryReport {
  /// Offsets that were cut off, none acknowledged: [from, to). Equal when nothing was.
  Offset cut_from;
  Offset cut_to;
  std::uint64_t cut_bytes = 0;
  /// Where the cut bytes are kept.
  std::string kept_in;
};

struct Appended {
  Offset base_offset;
  Offset last_offset;
  /// none under create_time.
  Timestamp append_time;
  bool is_duplicate = false;
};

/// The log of one partition: segments, indexes, producers. Apache Kafka's own format on disk.
///
/// Offsets: log_start <= recovery_point <= synced_end <= end. What lies below the recovery point is
/// known to be on disk whatever happens: damage there makes `open` refuse. Above it a torn tail is
/// cut, and kept beside the log.
///
/// Decides and writes; owner's thread only. Reads no clock. Once a write or sync has failed in a
/// way that leaves the files unknown, the log is offline: every call fails until it is opened anew.
class PartitionLog {
 public:
  struct Opened;

  /// Opens or makes the log in `directory`. `was_clean`: the last stop synced everything, so
  /// nothing above the recovery point needs a walk. Errors: damaged (says where, and what to do).
  static Result<Opened> open(Disk& disk, std::string directory, LogConfig config, bool was_clean);

  [[nodiscard]] Offset log_start() const { return log_start_; }
  [[nodiscard]] Offset end() const { return end_; }
  [[nodiscard]] Offset synced_end() const { return synced_end_; }
  [[nodiscard]] Offset recovery_point() const { return recovery_point_; }
  [[nodiscard]] std::uint64_t size_bytes() const;
  [[nodiscard]] std::size_t segment_count() const { return segments_.size(); }
  [[nodiscard]] const LogConfig& config() const { return config_; }
  void set_config(LogConfig config) { config_ = config; }
  /// Null unless the log is offline; then why.
  [[nodiscard]] const Error* offline() const { return offline_ ? &*offline_ : nullptr; }

  /// Appends one batch of a client, which `wire::validate_produced_batch` has accepted: judges its
  /// sequence, stamps offset, leader epoch and append time into a copy of its header, writes.
  /// Errors: broker errors for the client (45, 47, 10), storage errors.
  Result<Appended> append(const Slice& batch, const wire::BatchHeader& header,
                          LeaderEpoch leader_epoch, Now now);

  /// Whole batches from the one that holds `offset` on, below `limit`, at most `bytes_max`; with
  /// `at_least_one` the first batch may be larger. As file ranges: nothing is read but headers.
  /// Errors: broker error 1 when `offset` lies outside of [log_start, end].
  [[nodiscard]] Result<Chain> read(Offset offset, Offset limit, std::size_t bytes_max,
                                   bool at_least_one) const;

  struct OffsetAndTime {
    Offset offset;
    Timestamp timestamp;
  };
  /// The first record at or after `time`; nothing if there is none.
  [[nodiscard]] Result<std::optional<OffsetAndTime>> offset_for(Timestamp time) const;
  /// The record with the largest timestamp; nothing in an empty log.
  [[nodiscard]] Result<std::optional<OffsetAndTime>> max_timestamp() const;

  /// Files with bytes that no sync covers yet, for Disk::sync; `end()` at this time is what the
  /// sync will have covered.
  [[nodiscard]] std::vector<std::shared_ptr<File>> dirty_files() const;
  /// A sync that began when the end was `covered` succeeded.
  void synced(Offset covered);
  /// A sync failed: the log goes offline.
  void sync_failed(Error why) { offline_ = std::move(why); }
  /// Makes synced_end the recovery point, durably. Blocks for a small file's sync.
  Result<void> write_recovery_point();

  /// Rolls what is old, deletes whole segments that retention no longer covers. Returns how many.
  Result<std::size_t> retain(Now now);
  /// Deletes what lies wholly below `offset`, and starts the log there.
  Result<void> set_log_start(Offset offset);

 private:
  PartitionLog(Disk& disk, std::string directory, LogConfig config)
      : disk_(&disk), directory_(std::move(directory)), config_(config) {}
  Result<RecoveryReport> recover(bool was_clean);
  Result<std::optional<RecoveryReport>> walk(std::size_t index, bool check_crc);
  Result<RecoveryReport> cut(std::size_t index, std::uint64_t position, const Error& why);
  Result<void> load_offsets();
  Result<void> write_offsets();
  Result<void> roll_for(const wire::BatchHeader& header, std::size_t bytes, Now now);
  [[nodiscard]] std::size_t segment_of(Offset offset) const;
  Result<void> drop_first_segments(std::size_t count);

  Disk* disk_;
  std::string directory_;
  LogConfig config_;
  std::deque<Segment> segments_;  // by offset; the last is written to
  ProducerState producers_;
  Offset log_start_{0};
  Offset end_{0};
  Offset synced_end_{0};
  Offset recovery_point_{0};
  std::size_t first_dirty_ = 0;  // index of the first segment with unsynced bytes
  Timestamp active_since_;       // when the last segment got its first batch
  std::optional<Error> offline_;
};

struct PartitionLog::Opened {
  std::unique_ptr<PartitionLog> log;
  RecoveryReport report;
};

}  // namespace dohle::log
