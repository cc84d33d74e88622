#include "log/partition_log.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "log/checkpoint.hpp"

namespace dohle::log {

Result<void> check_batch_size(std::size_t bytes, const LogConfig& config) {
  const auto refused = [&](std::int16_t code, std::string_view what, std::uint64_t most) {
    return fail(Error::broker(code, "append",
                              "Message batch size is " + std::to_string(bytes) +
                                  " bytes, which exceeds the maximum configured " +
                                  std::string(what) + " " + std::to_string(most)));
  };
  if (bytes > config.max_message_bytes) {
    return refused(broker_error::message_too_large, "size of max.message.bytes",
                   config.max_message_bytes);
  }
  const auto segment = static_cast<std::uint64_t>(config.segment_bytes);
  if (bytes > segment) {
    return refused(broker_error::record_list_too_large, "segment size of segment.bytes", segment);
  }
  return {};
}

PartitionLog::PartitionLog(Disk& disk, std::string directory, LogConfig config, OpenOptions options)
    : disk_(&disk),
      directory_(std::move(directory)),
      config_(config),
      options_(std::move(options)),
      state_file_(disk,
                  options_.files != nullptr ? options_.files
                                            : (options_.files = std::make_shared<FileCache>()),
                  directory_),
      self_(std::make_shared<PartitionLog*>(this)) {}

PartitionLog::~PartitionLog() {
  for (Disk::Synced& done : when_finished_) {
    disk_->run([] {},
               [done = std::move(done)]() mutable {
                 done(fail(Error::client(Errc::closed, "the log was closed")));
               });
  }
}

void PartitionLog::use_files(std::shared_ptr<FileCache> files) {
  for (const auto& segment : segments_) segment->use_files(files);
  state_file_.use_files(files);
  options_.files = std::move(files);
}

std::unique_ptr<Segment> PartitionLog::make_segment(Offset base) const {
  return std::make_unique<Segment>(*disk_, options_.files, directory_, base,
                                   config_.index_interval_bytes);
}

Offset PartitionLog::high_watermark() const {
  return options_.visible == Visible::synced ? synced_end_ : end_;
}

std::uint64_t PartitionLog::size_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& segment : segments_) bytes += segment->size();
  return bytes;
}

std::size_t PartitionLog::segment_of(Offset offset) const {
  return files().segment_of(offset);
}

Offset PartitionLog::end_of(std::size_t index) const {
  return index + 1 < segments_.size() ? segments_[index + 1]->base_offset() : end_;
}

MarkedLog PartitionLog::marked() const {
  MarkedLog marked{log_start_, end_, active_since_, {}};
  for (const auto& segment : segments_) {
    auto crc = segment->last_crc();
    marked.segments.push_back(
        {segment->base_offset(), segment->size(), crc ? *crc : std::optional<std::uint32_t>()});
  }
  return marked;
}

void PartitionLog::go_offline(Error why) {
  if (offline_) return;
  offline_ = std::move(why);
  if (options_.events == nullptr) return;
  // Runs in a turn of its own: the caller may be in the middle of its work.
  disk_->run([] {},
             [self = std::weak_ptr(self_)] {
               if (const auto log = self.lock())
                 (*log)->options_.events->on_offline(**log, *(*log)->offline_);
             });
}

void PartitionLog::check_invariants() const {
  if (offline_) return;
  DOHLE_ASSERT(!segments_.empty(), "a log has no segment to append to");
  DOHLE_ASSERT(log_start_ <= end_, "a log begins after its end");
  DOHLE_ASSERT(synced_end_ <= end_, "more is synced than was written");
  DOHLE_ASSERT(recovery_point_ <= std::max(synced_end_, log_start_),
               "the recovery point lies after the synced end");
  DOHLE_ASSERT(synced_mark_.offset <= synced_end_, "a place counts as synced that is not");
  DOHLE_ASSERT(active().base_offset() <= end_, "the last segment begins after the log's end");
  DOHLE_ASSERT((active().size() > 0) == (active().base_offset() < end_),
               "the end of the log is not that of its last segment");
  DOHLE_ASSERT(!unwritten_ || synced_end_ == end_, "a log is appended to before it is recovered");
  DOHLE_ASSERT(!is_check_awaited_ || is_checking_ || is_indexing_,
               "a fetch waits for a disk thread that does not run");
  const Segment* before = nullptr;
  for (const auto& segment : segments_) {
    segment->check_invariants();
    DOHLE_ASSERT(before == nullptr || before->base_offset() < segment->base_offset(),
                 "segments are out of order");
    before = segment.get();
  }
  for (const auto& segment : doomed_) {
    DOHLE_ASSERT(segment->base_offset() < log_start_,
                 "a segment that is still part of the log is to be removed");
  }
  Offset last = synced_end_;
  for (const Mark& mark : syncing_marks_) {
    DOHLE_ASSERT(mark.offset >= last && mark.offset <= end_, "syncs are awaited out of order");
    last = mark.offset;
  }
  for (const ToSync& extra : to_sync_) {
    DOHLE_ASSERT(extra.file != nullptr && extra.until <= end_ + 1,
                 "a file waits for a sync of records that were not written");
  }
}

// Names and segments.

// A sync of a file does not cover its name. The sync of the next batch covers the names.
Result<void> PartitionLog::note_names() {
  if (are_names_noted_) return {};
  if (auto noted = note_metadata(); !noted) return noted;
  to_sync_.push_back({disk_->names_in(directory_), end_ + 1, true});
  if (!durable_state_) to_sync_.push_back({disk_->names_in(parent_of(directory_)), end_ + 1, true});
  are_names_noted_ = true;
  return {};
}

bool PartitionLog::should_roll(const wire::BatchHeader& header, std::size_t bytes, Now now) const {
  const Segment& last = active();
  if (last.size() == 0) return false;
  if (last.size() + bytes > static_cast<std::uint64_t>(config_.segment_bytes)) return true;
  if (header.last_offset() - last.base_offset() > INT32_MAX) return true;
  return !active_since_.is_none() &&
         now.wall.value - active_since_.value > config_.max_segment_age.count();
}

// If a roll cannot be completed, the append is refused and the old segment stays the last one.
Result<void> PartitionLog::roll(Timestamp now) {
  DOHLE_ASSERT(active().size() > 0, "a new segment would have the name of the last one");
  if (auto finished = finish_active(end_ + 1); !finished) return finished;
  if (auto written = write_snapshot_beside(); !written) return written;
  auto next = make_segment(end_);
  if (auto created = next->create(); !created) return created;
  are_names_noted_ = false;
  segments_.push_back(std::move(next));
  active_since_ = now;
  return {};
}

Result<void> PartitionLog::flush() {
  if (offline_) return fail(*offline_);
  if (is_appending()) {
    return fail(Error::client(Errc::closed, directory_ + ": a batch is still being written"));
  }
  if (is_finishing_) return fail(*unwritten_->why);
  if (auto finished = finish_recovery_now(); !finished) return finished;
  if (!active().max_timestamp() && active().needs_indexes()) {
    if (auto made = make_indexes_in_place(active()); !made) return made;
  }
  if (auto finished = finish_active(end_); !finished) return finished;
  if (auto written = write_snapshot(); !written) return written;
  // After a roll the next append notes the directory's names anyway.
  if (active().take_made_indexes()) to_sync_.push_back({disk_->names_in(directory_), end_, true});
  for (ToSync& extra : to_sync_) extra.until = std::min(extra.until, end_);
  return {};
}

// The files to sync are covered once all below `until` is.
Result<void> PartitionLog::finish_active(Offset until) {
  const auto was_cut = active().finish();
  if (!was_cut) return fail(was_cut.error());
  if (*was_cut) {
    auto file = active().file();
    if (!file) return fail(file.error());
    to_sync_.push_back({*std::move(file), until});
  }
  auto indexes = active().index_files();
  if (!indexes) return fail(indexes.error());
  for (auto& file : *indexes) to_sync_.push_back({std::move(file), until});
  return {};
}

// Syncing.

std::vector<std::shared_ptr<File>> PartitionLog::dirty_files() {
  std::vector<std::shared_ptr<File>> files;
  if (offline_) return files;
  if (end_ > synced_end_) {
    for (std::size_t i = segment_of(synced_end_); i < segments_.size(); ++i) {
      auto file = segments_[i]->file();
      if (!file) {
        go_offline(file.error());
        return {};
      }
      files.push_back(*std::move(file));
    }
    syncing_marks_.push_back({end_, active().base_offset(), active().size()});
  }
  for (const ToSync& extra : to_sync_) {
    if (std::ranges::find(files, extra.file) == files.end()) files.push_back(extra.file);
  }
  return files;
}

void PartitionLog::synced(Offset covered) {
  synced_end_ = std::max(synced_end_, std::min(covered, end_));
  while (!syncing_marks_.empty() && syncing_marks_.front().offset <= covered) {
    synced_mark_ = syncing_marks_.front();
    syncing_marks_.erase(syncing_marks_.begin());
  }
  std::erase_if(to_sync_, [&](const ToSync& extra) { return extra.until <= covered; });
  DOHLE_CHECK_INVARIANTS(*this);
}

void PartitionLog::sync_failed(Error why) {
  go_offline(std::move(why));
}

// The recovery point is the newest synced offset whose position is known.
LogState PartitionLog::state() const {
  if (unwritten_) return state_before_recovery();
  return {log_start_,
          std::max(log_start_, synced_mark_.offset),
          synced_mark_.base,
          synced_mark_.position,
          active().base_offset(),
          active_since_};
}

// The recovery point does not move, because files that belong to records above it may not be
// written yet. Only the removals of retention are noted.
LogState PartitionLog::state_before_recovery() const {
  LogState state = durable_state_.value_or(LogState());
  state.log_start = log_start_;
  if (state.recovery_point < log_start_) {
    state.recovery_point = log_start_;
    state.point_base = segments_.front()->base_offset();
    state.point_position = 0;
  }
  return state;
}

bool PartitionLog::needs_checkpoint() const {
  return !offline_ && !is_checkpointing_ && durable_state_.value_or(LogState()) != state();
}

void PartitionLog::checkpoint() {
  if (offline_ || is_checkpointing_) return;
  const LogState wanted = state();
  if (durable_state_ == wanted) return;
  auto file = state_file_.write(wanted);
  if (!file) return;  // a full disk: the old state is still valid, and the next call tries again
  // The state may name an empty segment, whose name is covered by no batch's sync.
  std::vector<std::shared_ptr<File>> files;
  for (const ToSync& extra : to_sync_) {
    if (extra.is_names) files.push_back(extra.file);
  }
  const auto names = files;
  files.push_back(*std::move(file));
  is_checkpointing_ = true;
  disk_->sync(std::move(files), [self = std::weak_ptr(self_), number = ++checkpoint_number_, wanted,
                                 names](Result<void> outcome) {
    const auto log = self.lock();
    if (!log) return;
    if (outcome) (*log)->forget_names(names);
    (*log)->checkpointed(number, wanted, std::move(outcome));
  });
}

void PartitionLog::checkpointed(std::uint64_t number, const LogState& state, Result<void> outcome) {
  if (number != checkpoint_number_) return;  // a blocking checkpoint overtook it
  is_checkpointing_ = false;
  if (!outcome) return go_offline(outcome.error());
  state_file_.settle();
  durable_state_ = state;
  recovery_point_ = state.recovery_point;
  remove_doomed(state.log_start, max_retired_at_once);
  DOHLE_CHECK_INVARIANTS(*this);
}

void PartitionLog::forget_names(const std::vector<std::shared_ptr<File>>& durable) {
  std::erase_if(to_sync_, [&](const ToSync& extra) {
    return std::ranges::find(durable, extra.file) != durable.end();
  });
}

Result<void> PartitionLog::write_recovery_point() {
  if (offline_) return fail(*offline_);
  const LogState wanted = state();
  if (durable_state_ == wanted) return {};
  auto file = state_file_.write(wanted);
  if (!file) return fail(file.error());
  ++checkpoint_number_;
  auto outcome = disk_->sync_now(**file);
  checkpointed(checkpoint_number_, wanted, outcome);
  if (outcome) remove_doomed(wanted.log_start, doomed_.size());
  return outcome;
}

void PartitionLog::write_recovery_point_beside(Disk::Synced done) {
  if (offline_) return done(fail(*offline_));
  const LogState wanted = state();
  if (durable_state_ == wanted) return done({});
  auto file = state_file_.write(wanted);
  if (!file) return done(fail(file.error()));
  is_checkpointing_ = true;
  disk_->sync({*std::move(file)}, [self = std::weak_ptr(self_), number = ++checkpoint_number_,
                                   wanted, done = std::move(done)](Result<void> outcome) mutable {
    if (const auto log = self.lock()) {
      (*log)->checkpointed(number, wanted, outcome);
      if (outcome) (*log)->remove_doomed(wanted.log_start, (*log)->doomed_.size());
    }
    done(std::move(outcome));
  });
}

// Retention.

Result<std::size_t> PartitionLog::retain(Now now) {
  if (offline_) return fail(*offline_);
  auto retired = retire(now);
  // After the removal, which may free space for it. On a failure the next round tries again.
  if (retired && is_snapshot_due_) is_snapshot_due_ = !write_snapshot_beside();
  return retired;
}

Result<std::size_t> PartitionLog::retire(Now now) {
  producers_.expire(Timestamp{now.wall.value - config_.producer_id_expiration.count()}, now.wall);
  if (is_snapshot_running_ || is_appending()) return 0;
  auto retired = count_retired(now.wall);
  if (!retired || *retired == 0) return retired;
  std::size_t count = *retired;
  if (count == segments_.size()) {
    const auto emptied = begin_anew();
    if (!emptied && (count == 1 || offline_)) return fail(emptied.error());
    if (!emptied) --count;
    // The segments are removed once the snapshot of their producers is written.
    if (is_snapshot_running_) return 0;
  }
  return drop_segments(count);
}

/// The number of oldest segments that retention may remove now.
Result<std::size_t> PartitionLog::count_retired(Timestamp now) const {
  std::uint64_t bytes = size_bytes();
  std::size_t count = 0;
  for (; count < std::min(segments_.size(), max_retired_at_once); ++count) {
    Segment& oldest = *segments_[count];
    if (oldest.size() == 0 || end_of(count) > synced_end_) break;
    const bool is_too_much =
        config_.retention_bytes >= 0 &&
        bytes - oldest.size() >= static_cast<std::uint64_t>(config_.retention_bytes);
    if (!is_too_much) {
      const auto expired = is_expired(oldest, now);
      // The segments before it are removed; the next call reports the error.
      if (!expired && count == 0) return fail(expired.error());
      if (!expired || !*expired) break;
    }
    bytes -= oldest.size();
  }
  return count;
}

Result<bool> PartitionLog::is_expired(Segment& segment, Timestamp now) const {
  if (config_.retention_ms < 0) return false;
  auto newest = segment.max_timestamp();
  if (!newest && segment.needs_indexes()) {
    // The next round of retention knows its newest time.
    if (auto begun = make_indexes(segment); !begun) return fail(begun.error());
    return false;
  }
  if (!newest) return fail(newest.error());
  if (*newest > now) {
    // No record can have a time in the future: the file's time of writing is used instead.
    auto file = segment.file();
    if (!file) return fail(file.error());
    *newest = std::min(*newest, (*file)->modified_at().value_or(*newest));
  }
  return !newest->is_none() && newest->value < now.value - config_.retention_ms;
}

// Rolls to an empty segment so that all older ones can be removed.
Result<void> PartitionLog::begin_anew() {
  if (auto written = write_what_recovery_left(); !written) return written;
  if (auto rolled = roll(Timestamp{}); !rolled) return rolled;
  if (auto noted = note_names(); !noted) return noted;
  synced_mark_ = {end_, end_, 0};
  return {};
}

Result<void> PartitionLog::set_log_start(Offset offset) {
  if (offline_) return fail(*offline_);
  if (offset < log_start_ || offset > high_watermark()) {
    return fail(Error::broker(broker_error::offset_out_of_range, directory_,
                              "a log start of " + std::to_string(offset.value)));
  }
  log_start_ = offset;
  std::size_t count = 0;
  while (count + 1 < segments_.size() && segments_[count + 1]->base_offset() <= offset) ++count;
  auto dropped = drop_segments(count);
  if (!dropped) return fail(dropped.error());
  return {};
}

// The new start is durable before the first file is removed. After a crash in between, the next
// start knows that the remaining files lie below it.
Result<std::size_t> PartitionLog::drop_segments(std::size_t count) {
  DOHLE_ASSERT(count < segments_.size(), "a log loses its last segment");
  log_start_ = std::max(log_start_, segments_[count]->base_offset());
  for (std::size_t i = 0; i < count; ++i) {
    forget_to_sync(*segments_[i]);
    doomed_.push_back(std::move(segments_[i]));
  }
  segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(count));
  DOHLE_CHECK_INVARIANTS(*this);
  checkpoint();
  return count;
}

// The space of a removed file is not freed while the file is open.
void PartitionLog::forget_to_sync(const Segment& segment) {
  const std::string begin = directory_ + "/" + Segment::file_name(segment.base_offset(), ".");
  std::erase_if(to_sync_,
                [&](const ToSync& extra) { return extra.file->path().starts_with(begin); });
}

// Renamed at once, because a topic of the same name may get the same paths later; removed on a disk
// thread. At most `most` segments in one turn.
void PartitionLog::remove_doomed(Offset log_start, std::size_t most) {
  std::vector<std::string> paths;
  std::size_t count = 0;
  for (; count < most && !doomed_.empty() && doomed_.front()->base_offset() < log_start; ++count) {
    std::erase(snapshots_, doomed_.front()->base_offset());
    // A file that cannot be renamed is removed by the next start, which knows that it lies below.
    auto retired = doomed_.front()->retire(*disk_);
    if (retired) paths.insert(paths.end(), retired->begin(), retired->end());
    doomed_.erase(doomed_.begin());
  }
  if (count == 0) return;
  disk_->run(
      [disk = disk_, paths = std::move(paths)] {
        for (const std::string& path : paths) (void)disk->remove(path);
      },
      [self = std::weak_ptr(self_), log_start] {
        if (const auto log = self.lock()) (*log)->remove_doomed(log_start, max_retired_at_once);
      });
}

}  // namespace dohle::log
