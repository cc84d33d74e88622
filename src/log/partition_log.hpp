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
#include "log/time_search.hpp"
#include "wire/batch.hpp"

namespace dohle::log {

enum class TimestampType : std::uint8_t { create_time, log_append_time };

/// The settings of a topic that its logs use. The defaults are Apache Kafka's.
struct LogConfig {
  /// Maximum size of a segment. Up to 2^31-1.
  std::int64_t segment_bytes = std::int64_t{1} << 30;
  /// Measured from the segment's first append, by the wall clock.
  std::chrono::milliseconds max_segment_age = std::chrono::hours(24 * 7);
  /// -1: unlimited.
  std::int64_t retention_ms = std::int64_t{7} * 24 * 3600 * 1000;
  /// -1: unlimited.
  std::int64_t retention_bytes = -1;
  std::size_t max_message_bytes = 1'048'588;
  TimestampType timestamp_type = TimestampType::create_time;
  /// How far a record's time may lie before and after the time of its append. Checked when a
  /// client's batch is validated, not by the log.
  std::int64_t max_timestamp_before_ms = std::numeric_limits<std::int64_t>::max();
  std::int64_t max_timestamp_after_ms = std::int64_t{3600} * 1000;
  std::uint32_t index_interval_bytes = 4096;
  /// A producer is forgotten after this time without an append.
  std::chrono::milliseconds producer_id_expiration = std::chrono::hours(24);
};

/// Whether a batch of this size may be appended. Errors: broker errors 10 and 18.
[[nodiscard]] Result<void> check_batch_size(std::size_t bytes, const LogConfig& config);

/// Changes that opening a log after a crash made to it.
struct RecoveryReport {
  /// Offsets that were cut off: [from, to). Equal if none were.
  Offset cut_from;
  Offset cut_to;
  std::uint64_t cut_bytes = 0;
  /// The file that keeps the cut bytes. Later segments are kept beside it as *.cut.
  std::string kept_in;
  /// The fault at the first byte that was cut.
  std::string why;
  /// Clients were told of records up to here, and the log ends earlier. None if no such record is
  /// missing.
  Offset missing_to = {};
  /// Records that may be missing besides unacknowledged ones. Empty if there are none.
  std::string may_be_missing;
  /// One sentence for each accepted loss.
  std::vector<std::string> accepted;
  /// One sentence for each accepted loss without damage, now or earlier.
  std::vector<std::string> unfounded;
  /// Bytes whose CRC was checked.
  std::uint64_t walked_bytes = 0;
  /// Set if the disk is full and some writes are pending: see PartitionLog::finish_recovery.
  std::optional<Error> unwritten;
};

struct Appended {
  Offset base_offset;
  Offset last_offset;
  /// None under create_time.
  Timestamp append_time;
  /// The batch was in the log already; no bytes were written.
  bool is_duplicate = false;
  Offset log_start = {};
};

/// A batch of the log, in memory.
struct StoredBatch {
  Offset from;
  /// The offset after its last record.
  Offset to;
  Slice bytes;
};

/// The result of a fetch.
struct FetchedBatches {
  /// Whole batches, as file ranges or bytes.
  Chain bytes;
  /// The offset after the last batch; the offset of the fetch if there are no batches.
  Offset next;
  /// There are batches to read, but their segment has not been checked since the start, or has lost
  /// its indexes. A disk thread checks it or rebuilds them: fetch again after
  /// LogEvents::on_checked.
  bool is_being_checked = false;
};

class PartitionLog;

/// Notifies the node. Called on the loop, never from within a call to the log.
class LogEvents {
 public:
  virtual ~LogEvents() = default;
  /// A segment that a fetch waited for has been checked or has its indexes again, or the log went
  /// offline meanwhile.
  virtual void on_checked(PartitionLog& log) = 0;
  /// The log is offline: every call fails with `why` until it is opened again.
  virtual void on_offline(PartitionLog& log, const Error& why) = 0;
};

/// Records that consumers may read.
enum class Visible : std::uint8_t {
  synced,   ///< records that a crash cannot remove
  written,  ///< all appended records
};

struct OpenOptions {
  /// How the last run ended. By default it is unknown.
  LastLife last = {};
  /// Damage that begins at one of these offsets is given up: only its bytes are put aside, and the
  /// log continues after a gap.
  std::vector<Offset> accepted_losses = {};
  /// The topic of the log; the number at the end of the directory's name is its partition. Written
  /// into partition.metadata and dohle-log. If none, it is neither written nor compared.
  TopicId topic_id = {};
  Visible visible = Visible::synced;
  /// Shared by all logs of a node. If null, the log has its own.
  std::shared_ptr<FileCache> files = nullptr;
  /// Outlives the log. May be null.
  LogEvents* events = nullptr;
  /// The names in the parent directory (Disk::names_in), shared by logs that are opened together.
  /// If null, the log has its own.
  std::shared_ptr<File> parent_names = nullptr;
};

/// The log of one partition: segments, indexes, producers and leader epochs, in Apache Kafka's own
/// format on disk, so that its DumpLogSegments reads it.
///
/// Offsets: log_start <= recovery_point <= synced_end <= end. Records below the recovery point are
/// known to survive any crash. `decide` (recovery_plan.hpp) states how `open` handles damage: it
/// refuses if acknowledged records are affected; otherwise it cuts the torn bytes and keeps them
/// beside the log.
///
/// Each segment that existed at the start is walked once by CRC on a disk thread before its first
/// range is given out, and has to end where the next one begins. BackgroundChecks walks the
/// segments that no fetch asks for.
///
/// Owner's thread only (`open` may run on a disk thread if the log's file cache is its own). Reads
/// no clock. The log goes offline when a sync fails, a write leaves the files in an unknown state,
/// or a check finds damage: then every call fails until it is opened again.
class PartitionLog {
 public:
  struct Opened;

  /// Opens the log in `directory`, or creates it. After a clean stop it reads only a small file and
  /// the directory, and compares names and sizes. Otherwise it walks the bytes above the recovery
  /// point by CRC and syncs the unsynced ones. A log can be read although the disk is full: the
  /// writes of its recovery are postponed. Errors: damaged (with the place and the remedy),
  /// storage.
  static Result<Opened> open(Disk& disk, std::string directory, LogConfig config,
                             OpenOptions options);
  /// The same up to the first sync, so that many logs share their syncs (GroupOpening). While
  /// `unsynced` has files, sync them and call `recover_on`; only then is the log open. If a sync
  /// fails, destroy the log.
  static Result<Opened> begin_open(Disk& disk, std::string directory, LogConfig config,
                                   OpenOptions options);
  /// Files that have to be synced before `recover_on`. Empty once the log is open.
  [[nodiscard]] const std::vector<std::shared_ptr<File>>& unsynced() const { return unsynced_; }
  /// Does the next writes of the recovery. `report`: that of `begin_open`. Errors: as `open`.
  Result<void> recover_on(RecoveryReport& report);
  ~PartitionLog();
  PartitionLog(const PartitionLog&) = delete;
  PartitionLog& operator=(const PartitionLog&) = delete;

  /// Asserts the conditions that hold between two calls, unless the log is offline.
  void check_invariants() const;

  /// Closes the log's files and opens them through `files` from now on. Does not touch `files`: a
  /// log may be opened on a disk thread, which must not use its owner's cache.
  void use_files(std::shared_ptr<FileCache> files);

  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] Offset log_start() const { return log_start_; }
  [[nodiscard]] Offset end() const { return end_; }
  [[nodiscard]] Offset synced_end() const { return synced_end_; }
  [[nodiscard]] Offset recovery_point() const { return recovery_point_; }
  /// Consumers may read up to here: synced_end or end, depending on OpenOptions::visible.
  [[nodiscard]] Offset high_watermark() const;
  /// Consumers with isolation read_committed may read up to here.
  [[nodiscard]] Offset last_stable() const { return high_watermark(); }
  [[nodiscard]] std::uint64_t size_bytes() const;
  [[nodiscard]] std::size_t segment_count() const { return segments_.size(); }
  [[nodiscard]] const LogConfig& config() const { return config_; }
  /// The log's part of the clean-stop mark, valid once everything is synced. Leaves out a CRC that
  /// cannot be read.
  [[nodiscard]] MarkedLog marked() const;
  /// Null unless the log is offline; then the reason.
  [[nodiscard]] const Error* offline() const { return offline_ ? &*offline_ : nullptr; }

  /// All writes of the recovery are done. Until then the log may be read but not written to: every
  /// call that writes starts `finish_recovery` first.
  [[nodiscard]] bool is_recovered() const { return !unwritten_; }
  /// Does the writes for which `open` had no space. Long ones and syncs run on disk threads. Calls
  /// `done`, within the call or later, even if the log is destroyed by then. Errors: disk_full (the
  /// next call tries again), storage.
  void finish_recovery(Disk::Synced done = nullptr);

  /// Producers, epochs and the end of the last segment's indexes are known, and the writes of the
  /// recovery are done; or `prepare` failed to do that. Then an append walks no batches. True for a
  /// new log, and after a recovery.
  [[nodiscard]] bool is_prepared() const;
  /// Does that on disk threads, then calls `done`, even if the log is destroyed by then. An append
  /// does not wait for it: it reads producers and epochs itself, and fails if the last segment has
  /// lost its indexes.
  void prepare(Task done);

  /// Appends one batch of a client that `wire::validate_produced_batch` has accepted. Checks its
  /// sequence, stamps offset, leader epoch and append time into a copy of its header (also the max
  /// timestamp of `header` if the bytes have another one), and writes it. Errors: broker errors for
  /// the client (10, 18, 45, 47), storage errors (disk_full: no bytes were written, the log can
  /// still be read, and a recovery that is not finished continues). `stored`, if not null, receives
  /// a copy of the batch as it was written; of a duplicate nothing.
  Result<Appended> append(const Slice& batch, const wire::BatchHeader& header,
                          LeaderEpoch leader_epoch, Now now, StoredBatch* stored = nullptr);
  using AppendedBeside = std::move_only_function<void(Result<Appended>)>;
  /// The same for a batch that takes long to write: a disk thread writes it. Calls `done`, within
  /// the call or later, even if the log is destroyed by then (Errc::closed). Until then no other
  /// batch may be appended, and the log is not prepared; `prepare` waits for it.
  void append_beside(Slice batch, const wire::BatchHeader& header, LeaderEpoch leader_epoch,
                     Now now, AppendedBeside done);

  /// Whole batches from the one that holds `offset` on, below `limit` (the end of a batch), at most
  /// `max_bytes`. With `at_least_one` the first batch may be larger. Returns file ranges and reads
  /// only headers; reads no bytes if the fetch continues an earlier one and reaches the end of the
  /// log. May stop at the end of a segment. `newest`, if not null, is a batch that `append` has
  /// stored; its bytes are returned if it is all that is wanted. Errors: broker error 1 if `offset`
  /// lies outside of [log_start, end].
  [[nodiscard]] Result<FetchedBatches> fetch(Offset offset, Offset limit, std::size_t max_bytes,
                                             bool at_least_one,
                                             const StoredBatch* newest = nullptr) const;
  /// The same over several segments; checks unchecked bytes itself. Blocks.
  [[nodiscard]] Result<Chain> read(Offset offset, Offset limit, std::size_t max_bytes,
                                   bool at_least_one) const;

  /// A search by time, for a disk thread. Begin a new one if the log went offline meanwhile, or if
  /// the search ended with not_found and the log's start has moved. Errors: why the log is offline.
  [[nodiscard]] Result<std::unique_ptr<TimeSearch>> search(TimeSearch::Wanted wanted) const;
  /// The first record at or after `time`, from the log's start on; none if there is none. Blocks,
  /// as max_timestamp does.
  [[nodiscard]] Result<std::optional<OffsetAndTime>> offset_for(Timestamp time) const;
  /// The first record with the largest timestamp; none in an empty log.
  [[nodiscard]] Result<std::optional<OffsetAndTime>> max_timestamp() const;

  struct EpochEnd {
    LeaderEpoch epoch;
    Offset end;
  };
  /// True: `epoch_end` walks no batches. Otherwise prepare the log first.
  [[nodiscard]] bool knows_epochs() const { return epochs_.has_value(); }
  /// End of the largest epoch up to `wanted`, as OffsetForLeaderEpoch answers (KIP-101, 320). Both
  /// none if `wanted` is later than all epochs.
  [[nodiscard]] Result<EpochEnd> epoch_end(LeaderEpoch wanted) const;
  /// The epoch of the last batch; none in a log without batches.
  [[nodiscard]] Result<LeaderEpoch> latest_epoch() const;

  /// The segment that is appended to. Errors: storage.
  [[nodiscard]] Result<std::shared_ptr<File>> active_file() const { return active().file(); }
  /// The largest id of the producers that the log remembers; none if there are none. Blocks: reads
  /// up to a snapshot and some megabytes of batches.
  Result<ProducerId> highest_producer_id();

  /// Files with unsynced bytes, for Disk::sync. The sync covers the log up to `end()` at the time
  /// of this call.
  [[nodiscard]] std::vector<std::shared_ptr<File>> dirty_files();
  /// All syncs that began when the end was `covered` or less have succeeded.
  void synced(Offset covered);
  /// A sync failed: the log goes offline.
  void sync_failed(Error why);
  /// `checkpoint` would change the durable state.
  [[nodiscard]] bool needs_checkpoint() const;
  /// Makes synced_end the recovery point once that is durable. Returns at once. Has no effect while
  /// another checkpoint is under way. Cheap enough to be called every few megabytes or seconds.
  void checkpoint();
  /// The same, but blocks for the sync of a small file. Has no effect if the point is durable
  /// already.
  Result<void> write_recovery_point();
  /// The same without blocking: syncs of many logs at a time form groups. Calls `done`, within the
  /// call or later, even if the log is destroyed by then.
  void write_recovery_point_beside(Disk::Synced done);
  /// Writes indexes and producers before the last sync of a clean stop, so that the next start
  /// walks no batches. A stop is: flush, sync dirty_files(), synced(end()), write_recovery_point().
  /// Errors: also closed, while a batch is being written.
  Result<void> flush();

  /// Maximum number of segments that one call of `retain` removes. Each of them may have to be
  /// read.
  static constexpr std::size_t max_retired_at_once = 16;
  /// Removes whole segments that have expired by the retention settings, but no unsynced ones;
  /// rolls the last one if all of it has expired. Also forgets expired producers. Returns how many
  /// segments were removed; after max_retired_at_once call it again, because more may have expired.
  /// Their files are removed in the background, once the new start is durable. Errors: only if no
  /// segment could be removed; otherwise the next call reports the error.
  Result<std::size_t> retain(Now now);
  /// Starts the log at `offset` and removes the segments that lie wholly below. Durable after the
  /// next successful `checkpoint` or `write_recovery_point`.
  Result<void> set_log_start(Offset offset);

  /// Number of bytes that no check has walked since the start.
  [[nodiscard]] std::uint64_t unchecked_bytes() const;
  /// Checks about the next `max_bytes` on a disk thread, then calls `done`, unless the log is
  /// destroyed. False if there are no unchecked bytes, or a check is under way.
  bool check_next(std::size_t max_bytes, Task done);

 private:
  /// The position of an offset, so that it need not be searched.
  struct Mark {
    Offset offset;
    Offset base;
    std::uint64_t position = 0;
  };
  /// A file that a sync has to cover besides the segments. It is covered once all below `until` is.
  struct ToSync {
    std::shared_ptr<File> file;
    Offset until;
    /// The file stands for the names in a directory.
    bool is_names = false;
  };
  /// Results of the recovery that are not written yet.
  struct Unwritten {
    /// The log is new: its first segment and its small files have to be created.
    bool is_new = false;
    /// Bytes of the last segment from its end up to here are copied to `tail_path`, then cut.
    std::uint64_t tail_end = 0;
    std::string tail_path;
    /// Segments after a cut, to be renamed.
    std::vector<std::unique_ptr<Segment>> aside;
    /// The error of the last attempt.
    std::optional<Error> why;
    /// `prepare` got that error, and no append has reported it yet.
    bool is_news = false;
  };
  /// The writes of a recovery that the files in `unsynced_` hold. Each step is durable before the
  /// next one begins.
  enum class Step : std::uint8_t {
    none,
    segments,  ///< all that was read, and the copy of bytes that will be cut
    rest,      ///< the cut, and small files; part of the first step if nothing is cut
    point,     ///< the recovery point
  };
  struct Appending;
  struct CheckPiece;
  struct Preparation;
  struct Snapshot;
  struct Indexing;
  struct KeptTail;
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
  Result<void> cut(std::size_t index, std::uint64_t position, const LogFault& why,
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

  void take_up_recovered();
  Result<void> begin_writing(RecoveryReport& report);
  Result<void> begin_to_sync_segments();
  Result<void> begin_to_keep_tail();
  Result<void> write_next();
  Result<void> write_rest();
  [[nodiscard]] std::shared_ptr<File> parent_names() const;
  Result<void> finish_recovery_now();
  Result<void> write_new();
  Result<void> write_recovered();
  [[nodiscard]] Result<KeptTail> begin_tail();
  Result<void> keep_tail();
  void keep_tail_beside();
  void end_tail(const KeptTail& kept);
  void write_recovered_beside();
  void end_recovered();
  void finished(Result<void> outcome);
  Result<void> set_aside();
  Result<void> forget_snapshots_behind_the_end();

  // Producers and epochs (side_files.cpp).
  Result<void> know_producers();
  [[nodiscard]] LogFiles files() const;
  [[nodiscard]] FilesBeside files_beside() const;
  [[nodiscard]] Result<ProducerState> producers_at(Offset until) const;
  Result<void> write_snapshot();
  Result<void> write_snapshot_beside();
  [[nodiscard]] Result<std::optional<Snapshot>> begin_snapshot();
  void snapshot_written(const Snapshot& snapshot);
  void add_snapshot(Offset at);
  void forget_old_snapshots();
  [[nodiscard]] Result<void> know_epochs() const;
  Result<void> begin_epoch(LeaderEpoch epoch, Offset offset);
  Result<void> write_epochs();
  Result<void> restore_epochs();
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

  // Appending (appending.cpp).
  Result<std::optional<Appended>> begin_append(Appending& appending, LeaderEpoch leader_epoch,
                                               Now now);
  Result<std::optional<Appended>> judge_sequence(const wire::BatchHeader& header);
  Result<Appended> end_append(const Appending& appending);
  Result<Appended> appended_beside(Appending& appending);
  /// A disk thread writes a batch to the last segment.
  [[nodiscard]] bool is_appending() const { return when_appended_ != nullptr; }
  Result<void> write_what_recovery_left();
  [[nodiscard]] Error refused(std::int16_t code, std::string_view why) const;

  struct Range;
  [[nodiscard]] Result<Range> range_from(Offset offset, Offset limit, std::size_t max_bytes,
                                         bool at_least_one) const;
  [[nodiscard]] Result<std::uint64_t> position_of(std::size_t index, Offset offset) const;
  void remember(const Mark& mark) const;
  void go_offline(Error why);
  [[nodiscard]] Result<void> check_end_of(std::size_t index, Offset reached) const;
  [[nodiscard]] Result<FetchedBatches> fetch_damaged(std::size_t index, Offset offset,
                                                     std::string_view why) const;
  [[nodiscard]] Result<FetchedBatches> fetch_failed(Offset offset, const Error& why) const;
  [[nodiscard]] LogState state() const;
  [[nodiscard]] LogState state_before_recovery() const;
  void forget_names(const std::vector<std::shared_ptr<File>>& durable);
  void checkpointed(std::uint64_t number, const LogState& state, Result<void> outcome);
  Result<std::size_t> drop_segments(std::size_t count);
  Result<std::size_t> retire(Now now);
  [[nodiscard]] Result<std::size_t> count_retired(Timestamp now) const;
  [[nodiscard]] Result<bool> is_expired(Segment& segment, Timestamp now) const;
  Result<void> begin_anew();
  void forget_to_sync(const Segment& segment);
  void remove_doomed(Offset log_start, std::size_t most);
  [[nodiscard]] bool knows_all() const;
  void finish_recovery_then(Task done);
  void prepared(Preparation& found);
  [[nodiscard]] Segment* without_indexes(Offset offset) const;
  [[nodiscard]] Result<void> make_indexes(Segment& segment) const;
  void run_indexing(std::shared_ptr<Indexing> work) const;
  void indexed(std::shared_ptr<Indexing> work);
  Result<void> make_indexes_in_place(Segment& segment) const;
  [[nodiscard]] std::unique_ptr<Segment> beside(const Segment& segment) const;
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
  Step step_ = Step::none;
  std::vector<std::shared_ptr<File>> unsynced_;
  std::shared_ptr<KeptTail> tail_;
  bool is_finishing_ = false;
  std::vector<Disk::Synced> when_finished_;
  std::vector<std::unique_ptr<Segment>> segments_;  // by offset; the last is written to
  std::vector<std::unique_ptr<Segment>> doomed_;    // no longer part of the log; files remain
  std::vector<Offset> snapshots_;                   // existing files
  AcceptedGaps gaps_;
  ProducerState producers_;
  bool is_snapshot_running_ = false;
  /// The last snapshot failed, or was skipped because another one was still being written.
  bool is_snapshot_due_ = false;
  bool are_producers_known_ = false;
  bool was_prepared_ = false;
  /// Tasks that wait until a disk thread has written a batch. The thread's answer shares them.
  std::shared_ptr<std::vector<Task>> when_appended_;
  mutable std::optional<LeaderEpochs> epochs_;
  std::vector<ToSync> to_sync_;
  Offset log_start_{0};
  Offset end_{0};
  Offset synced_end_{0};
  Offset recovery_point_{0};
  Mark synced_mark_;
  std::vector<Mark> syncing_marks_;
  /// Ends of earlier fetches, so that a fetch that continues there need not search.
  mutable std::array<Mark, 4> fetch_marks_{};
  mutable std::size_t next_fetch_mark_ = 0;
  Timestamp active_since_;
  bool are_names_noted_ = false;
  bool is_metadata_noted_ = true;  // for the next sync
  bool is_checkpointing_ = false;
  std::uint64_t checkpoint_number_ = 0;
  mutable bool is_checking_ = false;
  mutable bool is_check_awaited_ = false;
  mutable bool is_indexing_ = false;
  /// Why the indexes of that segment could not be rebuilt. Reported once.
  mutable std::optional<std::pair<Offset, Error>> indexing_fault_;
  std::optional<Error> offline_;
  /// Answers of the disk find the log through it, if the log still exists.
  std::shared_ptr<PartitionLog*> self_;
};

struct PartitionLog::Opened {
  std::unique_ptr<PartitionLog> log;
  RecoveryReport report;
};

}  // namespace dohle::log
