#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/chain.hpp"
#include "base/disk.hpp"
#include "base/time.hpp"
#include "log/file_cache.hpp"
#include "log/leader_epochs.hpp"
#include "log/producer_state.hpp"
#include "log/producer_walk.hpp"
#include "log/recovery_plan.hpp"
#include "log/segment.hpp"
#include "log/state_file.hpp"
#include "wire/batch.hpp"

namespace dohle::log {

enum class TimestampType : std::uint8_t { create_time, log_append_time };

/// A topic's settings as far as its logs obey them; the defaults are Apache Kafka's.
struct LogConfig {
  /// A segment never grows above it. Up to 2^31-1.
  std::int64_t segment_bytes = std::int64_t{1} << 30;
  /// Since the segment's first append, by the wall clock.
  std::chrono::milliseconds max_segment_age = std::chrono::hours(24 * 7);
  /// -1: for ever.
  std::int64_t retention_ms = std::int64_t{7} * 24 * 3600 * 1000;
  /// -1: without limit.
  std::int64_t retention_bytes = -1;
  std::size_t max_message_bytes = 1'048'588;
  TimestampType timestamp_type = TimestampType::create_time;
  /// How far a record's time may lie before and behind the time of its append. Checked by whoever
  /// validates a client's batch.
  std::int64_t max_timestamp_before_ms = std::numeric_limits<std::int64_t>::max();
  std::int64_t max_timestamp_after_ms = std::int64_t{3600} * 1000;
  std::uint32_t index_interval_bytes = 4096;
  /// A producer that has not appended for so long is forgotten.
  std::chrono::milliseconds producer_id_expiration = std::chrono::hours(24);
};

/// Whether a batch of that size may be appended. Errors: broker errors 10 and 18.
[[nodiscard]] Result<void> check_batch_size(std::size_t bytes, const LogConfig& config);

/// What opening a log after a crash did to it.
struct RecoveryReport {
  /// Offsets that were cut off: [from, to). Equal when nothing was.
  Offset cut_from;
  Offset cut_to;
  std::uint64_t cut_bytes = 0;
  /// The file where the cut bytes are kept; segments behind it are kept beside it as *.cut.
  std::string kept_in;
  /// What was wrong with the first byte that was cut.
  std::string why;
  /// Clients were told of records up to here, and the log ends before; none: of none that is
  /// missing.
  Offset missing_to = {};
  /// What may be missing beside unacknowledged records; empty: nothing.
  std::string may_be_missing;
  /// Each loss that was accepted, in words.
  std::vector<std::string> accepted;
  /// Each accepted loss that there was not, neither now nor before, in words.
  std::vector<std::string> unfounded;
  /// Bytes whose CRC was checked.
  std::uint64_t walked_bytes = 0;
  /// The disk is full, and something has yet to be written: see PartitionLog::finish_recovery.
  std::optional<Error> unwritten;
};

struct Appended {
  Offset base_offset;
  Offset last_offset;
  /// none under create_time.
  Timestamp append_time;
  /// The batch was in the log already; nothing was written.
  bool is_duplicate = false;
  Offset log_start = {};
};

/// What a fetch found.
struct FetchedBatches {
  /// Whole batches, as file ranges.
  Chain bytes;
  /// The offset behind the last of them; the fetch's own offset when there are none.
  Offset next;
  /// There is something to read, but its segment has not been checked since the start. A check is
  /// under way: LogEvents::on_checked follows, then fetch again.
  bool is_being_checked = false;
};

class PartitionLog;

/// What a log tells its node, on the loop, never from within a call to the log.
class LogEvents {
 public:
  virtual ~LogEvents() = default;
  /// A segment that a fetch waited for has been checked, or the log went offline meanwhile.
  virtual void on_checked(PartitionLog& log) = 0;
  /// The log is offline: it answers everything with `why` until it is opened anew.
  virtual void on_offline(PartitionLog& log, const Error& why) = 0;
};

/// What consumers may see.
enum class Visible : std::uint8_t {
  synced,   ///< what a crash cannot take back
  written,  ///< whatever was appended
};

struct OpenOptions {
  /// How the last life ended. A log without one ended in no way that is known.
  LastLife last = {};
  /// Damage that begins at one of these offsets is given up: only its bytes are put aside, and the
  /// log goes on behind a gap.
  std::vector<Offset> accepted_losses = {};
  /// Whose log it is, together with the number at the end of the directory's name. Written into
  /// partition.metadata and dohle-log; none: into neither, and nothing is compared.
  TopicId topic_id = {};
  Visible visible = Visible::synced;
  /// Shared by all logs of a node; null: one of its own.
  std::shared_ptr<FileCache> files = nullptr;
  /// Outlives the log; null: nobody listens.
  LogEvents* events = nullptr;
};

/// The log of one partition: segments, indexes, producers, leader epochs, in Apache Kafka's own
/// format on disk, so that its DumpLogSegments reads it.
///
/// Offsets: log_start <= recovery_point <= synced_end <= end. What lies below the recovery point is
/// known to be on disk whatever happens. What `open` does about damage decides `decide`
/// (recovery_plan.hpp): it refuses where acknowledged records are affected, and otherwise cuts what
/// is torn, and keeps it beside the log.
///
/// Each segment that was there at the start is walked once by CRC on a disk thread before the first
/// range of it is given out, and has to end where the next one begins; BackgroundChecks walks those
/// that nobody asks for.
///
/// Decides and writes; owner's thread only (`open` may run on a disk thread, when the log's file
/// cache is its own). Reads no clock. Once a sync has failed, or a write in a way that leaves the
/// files unknown, or a check has found damage, the log is offline: every call fails until it is
/// opened anew.
class PartitionLog {
 public:
  struct Opened;

  /// Opens or makes the log in `directory`. After a clean stop nothing is read but a small file and
  /// the directory, whose names and sizes are compared; otherwise what lies above the recovery
  /// point is walked by CRC, and what was left unsynced is synced. A full disk does not keep a log
  /// from being read: what recovery has to write waits. Errors: damaged (says where, and what to
  /// do), storage.
  static Result<Opened> open(Disk& disk, std::string directory, LogConfig config,
                             OpenOptions options);
  ~PartitionLog();
  PartitionLog(const PartitionLog&) = delete;
  PartitionLog& operator=(const PartitionLog&) = delete;

  /// Asserts the conditions that hold between two calls, unless the log is offline.
  void check_invariants() const;

  /// Closes its files, and opens them by that cache from now on. A log is made on another thread
  /// without the cache of the thread that will own it, which is not touched by this.
  void use_files(std::shared_ptr<FileCache> files);

  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] Offset log_start() const { return log_start_; }
  [[nodiscard]] Offset end() const { return end_; }
  [[nodiscard]] Offset synced_end() const { return synced_end_; }
  [[nodiscard]] Offset recovery_point() const { return recovery_point_; }
  /// Consumers may read up to here: synced_end or end, as OpenOptions::visible says.
  [[nodiscard]] Offset high_watermark() const;
  /// Consumers with isolation read_committed may read up to here.
  [[nodiscard]] Offset last_stable() const { return high_watermark(); }
  [[nodiscard]] std::uint64_t size_bytes() const;
  [[nodiscard]] std::size_t segment_count() const { return segments_.size(); }
  [[nodiscard]] const LogConfig& config() const { return config_; }
  /// What the mark of a clean stop says of the log, once all is synced. A CRC that cannot be read
  /// is left out.
  [[nodiscard]] MarkedLog marked() const;
  /// Null unless the log is offline; then why.
  [[nodiscard]] const Error* offline() const { return offline_ ? &*offline_ : nullptr; }

  /// All that recovery had to write is written. Until then the log is read from and not written to:
  /// whatever writes calls `finish_recovery` first.
  [[nodiscard]] bool is_recovered() const { return !unwritten_; }
  /// Writes what `open` had no space for. Errors: disk_full (the next call tries again), storage.
  Result<void> finish_recovery();

  /// Producers, epochs and the end of the last segment's indexes are known, or `prepare` failed to
  /// find them: an append walks nothing. True for a new log, and after a recovery.
  [[nodiscard]] bool is_prepared() const;
  /// Reads them on a disk thread, then calls `done`, also when the log is gone by then. An append
  /// does not wait for it, and reads them itself.
  void prepare(Task done);

  /// Appends one batch of a client, which `wire::validate_produced_batch` has accepted: judges its
  /// sequence, stamps offset, leader epoch and append time into a copy of its header, and the max
  /// timestamp of `header` where the bytes have another, writes.
  /// Errors: broker errors for the client (10, 18, 45, 47), storage errors (disk_full: nothing was
  /// written, and reading goes on).
  Result<Appended> append(const Slice& batch, const wire::BatchHeader& header,
                          LeaderEpoch leader_epoch, Now now);

  /// Whole batches from the one that holds `offset` on, below `limit`, where one ends, at most
  /// `max_bytes`; with `at_least_one` the first batch may be larger. As file ranges: nothing is
  /// read but headers, and nothing at all when a fetch goes on where one ended before and reaches
  /// the end of the log. May end at the end of a segment. Errors: broker error 1 when `offset` lies
  /// outside of [log_start, end].
  [[nodiscard]] Result<FetchedBatches> fetch(Offset offset, Offset limit, std::size_t max_bytes,
                                             bool at_least_one) const;
  /// The same over several segments, checking in place what has not been checked. Blocks.
  [[nodiscard]] Result<Chain> read(Offset offset, Offset limit, std::size_t max_bytes,
                                   bool at_least_one) const;

  struct OffsetAndTime {
    Offset offset;
    Timestamp timestamp;
    LeaderEpoch leader_epoch = {};
  };
  /// The first record at or after `time`, from the log's start on; nothing if there is none.
  [[nodiscard]] Result<std::optional<OffsetAndTime>> offset_for(Timestamp time) const;
  /// The first record with the largest timestamp; nothing in an empty log.
  [[nodiscard]] Result<std::optional<OffsetAndTime>> max_timestamp() const;

  struct EpochEnd {
    LeaderEpoch epoch;
    Offset end;
  };
  /// Where the largest epoch up to `wanted` ended, as OffsetForLeaderEpoch answers (KIP-101, 320);
  /// none and none when `wanted` is later than all.
  [[nodiscard]] Result<EpochEnd> epoch_end(LeaderEpoch wanted) const;
  /// The epoch of the last batch; none in a log without one.
  [[nodiscard]] Result<LeaderEpoch> latest_epoch() const;

  /// The segment that is appended to. Errors: storage.
  [[nodiscard]] Result<std::shared_ptr<File>> active_file() const { return active().file(); }
  /// The largest id of the producers that the log remembers; none if there are none. Blocks for up
  /// to a snapshot and some megabytes of batches.
  Result<ProducerId> highest_producer_id();

  /// Files with bytes that no sync covers yet, for Disk::sync; `end()` at this time is what the
  /// sync will have covered.
  [[nodiscard]] std::vector<std::shared_ptr<File>> dirty_files();
  /// All syncs that began when the end was `covered` or less have succeeded.
  void synced(Offset covered);
  /// A sync failed: the log goes offline.
  void sync_failed(Error why);
  /// checkpoint would change what is durable.
  [[nodiscard]] bool needs_checkpoint() const;
  /// Makes synced_end the recovery point once that is durable; returns at once. Nothing happens
  /// while one is under way. Cheap enough for each few megabytes or seconds.
  void checkpoint();
  /// The same, blocking for a small file's sync; nothing happens when it is durable already.
  Result<void> write_recovery_point();
  /// Before the last sync of a clean stop: writes out indexes and producers, so that the next start
  /// has to walk nothing. The stop: flush, sync dirty_files(), synced(end()),
  /// write_recovery_point().
  Result<void> flush();

  /// Segments that one call of `retain` removes at most. Each may have to be read.
  static constexpr std::size_t max_retired_at_once = 16;
  /// Takes away whole segments that retention no longer covers (never what is not synced), rolling
  /// the last one if all of it has expired; forgets producers. Returns how many segments went;
  /// after max_retired_at_once call it again, for others may be due. Their files go in the
  /// background, once the new start is durable. Errors: only where nothing could go; what keeps
  /// some is said once those before it are gone.
  Result<std::size_t> retain(Now now);
  /// Starts the log at `offset`, and takes away the segments wholly below. Durable once
  /// recovery_point's state is: checkpoint or write_recovery_point.
  Result<void> set_log_start(Offset offset);

  /// How many bytes no check has walked since the start.
  [[nodiscard]] std::uint64_t unchecked_bytes() const;
  /// Checks the next `max_bytes` or so on a disk thread, then calls `done`, unless the log is gone.
  /// False: there is nothing to check, or a check is under way.
  bool check_next(std::size_t max_bytes, Task done);

 private:
  /// A place in the log that is known without looking for it.
  struct Mark {
    Offset offset;
    Offset base;
    std::uint64_t position = 0;
  };
  /// A file that a sync has to cover beside the segments; covered once the end it was noted at is.
  struct ToSync {
    std::shared_ptr<File> file;
    Offset until;
    /// The file stands for the names in a directory.
    bool is_names = false;
  };
  /// What recovery has found out and not yet written down.
  struct Unwritten {
    /// The log begins here: its first segment and its small files have to be made.
    bool is_new = false;
    /// Bytes of the last segment from its end up to here are kept in `tail_path`, and cut.
    std::uint64_t tail_end = 0;
    std::string tail_path;
    /// Segments behind a cut, to be renamed.
    std::vector<std::unique_ptr<Segment>> aside;
  };
  struct CheckPiece;
  struct Preparation;
  struct Found;
  struct Walked;
  struct Stopped;
  struct Damage;

  PartitionLog(Disk& disk, std::string directory, LogConfig config, OpenOptions options);

  // Opening (recovery.cpp).
  Result<RecoveryReport> recover();
  Result<Found> survey();
  void take_up_state(const Found& found);
  Result<void> check_identity() const;
  Result<void> clean_up(const Found& found);
  Result<void> begin_empty();
  Result<void> take_up_clean();
  [[nodiscard]] bool is_as_left() const;
  [[nodiscard]] std::optional<std::size_t> difference_from_mark() const;
  Result<void> walk_segments(RecoveryReport& report);
  Result<Stopped> walk_to_fault(RecoveryReport& report);
  Result<void> begin_walk(Offset from);
  Result<Walked> walk_segment(std::size_t index, RecoveryReport& report);
  Result<Walked> take_up_batches(BatchWalk& walk, Segment& segment);
  Result<void> take_up_walked(const std::vector<Walked>& walked);
  [[nodiscard]] Offset acknowledged() const;
  [[nodiscard]] Error refusal(Offset at, std::string_view why) const;
  Result<void> cut(std::size_t index, std::uint64_t position, const Fault& why,
                   RecoveryReport& report);
  Result<void> write_again(File& file, std::uint64_t from, std::uint64_t to);
  Result<void> note_tail(Segment& segment, std::uint64_t position, RecoveryReport& report);

  // Accepting losses (repair.cpp).
  Result<void> accept_losses(RecoveryReport& report);
  Result<std::optional<Damage>> find_damage(Offset from);
  Result<Damage> damage_in(std::size_t index, std::uint64_t position, Offset at);
  Result<void> put_aside(const Damage& damage, RecoveryReport& report);
  Result<void> split(Segment& segment, const Damage& damage);
  Result<void> go_on_behind(const Damage& damage);
  Result<std::string> copy_range(Segment& segment, std::uint64_t from, std::uint64_t to,
                                 std::string_view name);
  Result<void> write_gaps();

  Result<void> take_up_recovered();
  Result<void> sync_segments();
  Result<void> write_new();
  Result<void> write_recovered();
  Result<void> keep_tail();
  Result<void> set_aside();
  Result<void> forget_snapshots_behind_the_end();
  Result<void> sync_now(File& file);

  // Producers and epochs (side_files.cpp).
  Result<void> know_producers();
  [[nodiscard]] LogFiles files() const;
  Result<void> write_snapshot();
  void forget_old_snapshots();
  [[nodiscard]] Result<void> know_epochs() const;
  Result<void> begin_epoch(LeaderEpoch epoch, Offset offset);
  Result<void> write_epochs();
  Result<void> write_metadata();
  Result<void> note_metadata();
  Result<void> restore_metadata();
  [[nodiscard]] std::string metadata_path() const;
  [[nodiscard]] std::string metadata_text() const;

  [[nodiscard]] Segment& active() const { return *segments_.back(); }
  [[nodiscard]] std::unique_ptr<Segment> make_segment(Offset base) const;
  [[nodiscard]] std::size_t segment_of(Offset offset) const;
  [[nodiscard]] Offset end_of(std::size_t index) const;
  Result<void> note_names();
  [[nodiscard]] bool should_roll(const wire::BatchHeader& header, std::size_t bytes, Now now) const;
  Result<void> roll(Timestamp now);
  Result<void> finish_active(Offset until);
  Result<void> write(const Slice& batch, wire::BatchHeader& header, Timestamp append_time);
  [[nodiscard]] Error refused(std::int16_t code, std::string_view why) const;

  struct Range;
  [[nodiscard]] Result<Range> range_from(Offset offset, Offset limit, std::size_t max_bytes,
                                         bool at_least_one) const;
  [[nodiscard]] Result<std::uint64_t> position_of(std::size_t index, Offset offset) const;
  void remember(const Mark& mark) const;
  [[nodiscard]] Result<std::optional<OffsetAndTime>> first_record(const Segment& segment,
                                                                  const BatchAt& batch,
                                                                  Timestamp at_least) const;

  void go_offline(Error why);
  [[nodiscard]] Result<void> check_end_of(std::size_t index, Offset reached) const;
  [[nodiscard]] Result<FetchedBatches> fetch_damaged(std::size_t index, Offset offset,
                                                     std::string_view why) const;
  [[nodiscard]] LogState state() const;
  [[nodiscard]] LogState state_before_recovery() const;
  void forget_names(const std::vector<std::shared_ptr<File>>& durable);
  void checkpointed(std::uint64_t number, const LogState& state, Result<void> outcome);
  Result<std::size_t> drop_segments(std::size_t count);
  [[nodiscard]] Result<bool> is_expired(Segment& segment, Timestamp now) const;
  Result<void> begin_anew();
  void forget_to_sync(const Segment& segment);
  void remove_doomed(Offset log_start, std::size_t most);
  void prepared(Preparation& found);
  void start_check(Segment& segment, std::size_t max_bytes, Task done) const;
  void checked(const CheckPiece& piece);
  Result<void> check_in_place(Segment& segment) const;

  Disk* disk_;
  std::string directory_;
  LogConfig config_;
  OpenOptions options_;
  StateFile state_file_;
  std::optional<LogState> durable_state_;
  std::optional<Unwritten> unwritten_;
  std::vector<std::unique_ptr<Segment>> segments_;  // by offset; the last is written to
  std::vector<std::unique_ptr<Segment>> doomed_;    // no longer part of the log; files remain
  std::vector<Offset> snapshots_;                   // files that are there
  AcceptedGaps gaps_;
  ProducerState producers_;
  bool are_producers_known_ = false;
  bool was_prepared_ = false;
  mutable std::optional<LeaderEpochs> epochs_;
  std::vector<ToSync> to_sync_;
  Offset log_start_{0};
  Offset end_{0};
  Offset synced_end_{0};
  Offset recovery_point_{0};
  Mark synced_mark_;
  std::vector<Mark> syncing_marks_;
  /// Where fetches ended, so that those that go on from there look for nothing.
  mutable std::array<Mark, 4> fetch_marks_{};
  mutable std::size_t next_fetch_mark_ = 0;
  Timestamp active_since_;
  bool are_names_noted_ = false;
  bool is_metadata_noted_ = true;  // for the next sync
  bool is_checkpointing_ = false;
  std::uint64_t checkpoint_number_ = 0;
  mutable bool is_checking_ = false;
  mutable bool is_check_awaited_ = false;
  std::optional<Error> offline_;
  /// Answers of the disk find the log through it, if it is still there.
  std::shared_ptr<PartitionLog*> self_;
};

struct PartitionLog::Opened {
  std::unique_ptr<PartitionLog> log;
  RecoveryReport report;
};

}  // namespace dohle::log
