#include <algorithm>

#include "log/partition_log.hpp"

namespace dohle::log {

namespace {

constexpr std::size_t max_producers_written_at_once = 4'096;
constexpr std::string_view metadata_file = "partition.metadata";

std::string snapshot_name(Offset offset) {
  return Segment::file_name(offset, ".snapshot");
}

}  // namespace

// Producers.

Result<void> PartitionLog::know_producers() {
  if (are_producers_known_) return {};
  auto producers = producers_at(end_);
  if (!producers) return fail(producers.error());
  producers_ = *std::move(producers);
  are_producers_known_ = true;
  return {};
}

Result<ProducerState> PartitionLog::producers_at(Offset until) const {
  FilesBeside beside = files_beside();
  beside.open();
  return beside.files().producers_at(until);
}

LogFiles PartitionLog::files() const {
  return {disk_, &directory_, segments_, snapshots_, end_};
}

FilesBeside PartitionLog::files_beside() const {
  std::vector<FoundSegment> found;
  found.reserve(segments_.size());
  for (const auto& segment : segments_) {
    found.emplace_back(segment->base_offset(), segment->size());
  }
  return {*disk_, directory_, config_.index_interval_bytes, std::move(found), snapshots_, end_};
}

Result<ProducerId> PartitionLog::highest_producer_id() {
  if (auto known = know_producers(); !known) return fail(known.error());
  return producers_.highest_id();
}

/// A snapshot that a disk thread writes and syncs. Uses a file that the owner has opened: the
/// directory may belong to another topic by now.
struct PartitionLog::Snapshot {
  std::shared_ptr<File> file;
  Offset at;
  ProducerTable::View producers;

  Result<void> outcome = {};
  bool is_sync = false;

  void run(Disk& disk) {
    outcome = write();
    // The owner may have replaced shards, which are destroyed here.
    producers.clear();
    if (!outcome) return;
    outcome = disk.sync_now(*file);
    is_sync = !outcome;
  }
  Result<void> write() {
    const Slice snapshot = ProducerState::snapshot(producers);
    const Bytes piece = snapshot.bytes();
    return file->write(0, {&piece, 1});
  }
};

Result<std::optional<PartitionLog::Snapshot>> PartitionLog::begin_snapshot() {
  if (!snapshots_.empty() && snapshots_.back() == end_) return std::nullopt;
  if (auto known = know_producers(); !known) return fail(known.error());
  auto file = disk_->open(directory_ + "/" + snapshot_name(end_), OpenMode::truncate);
  if (!file) return fail(file.error());
  return Snapshot{*std::move(file), end_, producers_.begin_view()};
}

Result<void> PartitionLog::write_snapshot() {
  auto begun = begin_snapshot();
  if (!begun) return fail(begun.error());
  if (!*begun) return {};
  auto written = (*begun)->write();
  // Another view may be in use on a disk thread.
  if (!is_snapshot_running_) producers_.end_view();
  if (!written) return written;
  to_sync_.push_back({std::move((*begun)->file), end_ + 1});
  add_snapshot(end_);
  return {};
}

// A snapshot of many producers is written on a disk thread. Until it is durable, no segment is
// removed, because a segment may hold the last batch of a producer. If it fails, the next round of
// retention tries again.
Result<void> PartitionLog::write_snapshot_beside() {
  is_snapshot_due_ = is_snapshot_running_;
  if (is_snapshot_running_) return {};
  if (producers_.size() <= max_producers_written_at_once) return write_snapshot();
  auto begun = begin_snapshot();
  if (!begun) return fail(begun.error());
  if (!*begun) return {};
  is_snapshot_running_ = true;
  are_names_noted_ = false;
  auto work = std::make_shared<Snapshot>(**std::move(begun));
  disk_->run([work, disk = disk_] { work->run(*disk); },
             [self = std::weak_ptr(self_), work] {
               if (const auto log = self.lock()) (*log)->snapshot_written(*work);
             });
  return {};
}

void PartitionLog::snapshot_written(const Snapshot& snapshot) {
  is_snapshot_running_ = false;
  producers_.end_view();
  if (offline_) return;
  if (snapshot.outcome) {
    add_snapshot(snapshot.at);
    if (is_snapshot_due_) is_snapshot_due_ = !write_snapshot_beside();
    return;
  }
  // A failed sync is never repeated: it leaves an unknown state.
  if (snapshot.is_sync) return go_offline(snapshot.outcome.error());
  is_snapshot_due_ = true;
  // A partial snapshot would only take up space.
  (void)disk_->remove(directory_ + "/" + snapshot_name(snapshot.at));
}

void PartitionLog::add_snapshot(Offset at) {
  snapshots_.insert(std::ranges::upper_bound(snapshots_, at), at);
  forget_old_snapshots();
}

// Keeps the newest two and those at which a segment begins.
void PartitionLog::forget_old_snapshots() {
  if (snapshots_.size() <= 2) return;
  const auto newest = snapshots_.end() - 2;
  const auto gone = std::remove_if(snapshots_.begin(), newest, [&](Offset at) {
    const bool begins_segment = std::ranges::any_of(
        segments_, [&](const auto& segment) { return segment->base_offset() == at; });
    // A snapshot that cannot be removed only takes up space.
    if (!begins_segment) (void)disk_->remove(directory_ + "/" + snapshot_name(at));
    return !begins_segment;
  });
  snapshots_.erase(gone, newest);
}

// Leader epochs.

Result<void> PartitionLog::know_epochs() const {
  if (epochs_) return {};
  auto epochs = files().epochs();
  if (!epochs) return fail(epochs.error());
  epochs_ = *std::move(epochs);
  return {};
}

Result<void> PartitionLog::begin_epoch(LeaderEpoch epoch, Offset offset) {
  if (auto known = know_epochs(); !known) return known;
  if (epoch <= epochs_->latest()) return {};
  LeaderEpochs before = *epochs_;
  epochs_->begin(log_start_);
  (void)epochs_->assign(epoch, offset);
  auto written = write_epochs();
  if (!written) epochs_ = std::move(before);
  are_names_noted_ = false;
  return written;
}

// Its bytes are synced with the batches that need it, before the recovery point passes them.
Result<void> PartitionLog::write_epochs() {
  const std::string path = directory_ + "/" + std::string(LeaderEpochs::file_name);
  auto file = disk_->open(path + ".tmp", OpenMode::truncate);
  if (!file) return fail(file.error());
  const std::string text = epochs_ ? epochs_->text() : LeaderEpochs().text();
  const Bytes piece = as_bytes(text);
  if (auto written = (*file)->write(0, {&piece, 1}); !written) return written;
  if (auto renamed = disk_->rename(path + ".tmp", path); !renamed) return renamed;
  to_sync_.push_back({*std::move(file), end_ + 1});
  return {};
}

// A recovery usually finds the text that it would write. The same bytes are written over it, as in
// `write_again`; a new file and its rename cost much more.
Result<void> PartitionLog::restore_epochs() {
  const std::string text = epochs_ ? epochs_->text() : LeaderEpochs().text();
  auto file =
      disk_->open(directory_ + "/" + std::string(LeaderEpochs::file_name), OpenMode::read_write);
  if (!file && file.error().is(Errc::not_found)) return write_epochs();
  if (!file) return fail(file.error());
  std::string found(text.size() + 1, '\0');
  auto got = (*file)->read(0, std::as_writable_bytes(std::span(found)));
  if (!got) return fail(got.error());
  if (found.substr(0, *got) != text) return write_epochs();
  const Bytes piece = as_bytes(text);
  if (auto written = (*file)->write(0, {&piece, 1}); !written) return written;
  to_sync_.push_back({*std::move(file), end_ + 1});
  return {};
}

// Its sync waits for the first append. Until then it needs no more durability than its directory,
// and an early sync would hold one file open for each unused partition.
Result<void> PartitionLog::write_metadata() {
  if (options_.topic_id.is_none()) return {};
  auto file = disk_->open(metadata_path(), OpenMode::truncate);
  if (!file) return fail(file.error());
  const std::string text = metadata_text();
  const Bytes piece = as_bytes(text);
  if (auto written = (*file)->write(0, {&piece, 1}); !written) return written;
  is_metadata_noted_ = false;
  return {};
}

Result<void> PartitionLog::note_metadata() {
  if (is_metadata_noted_) return {};
  auto file = disk_->open(metadata_path(), OpenMode::read_write);
  if (!file) return fail(file.error());
  to_sync_.push_back({*std::move(file), end_ + 1});
  is_metadata_noted_ = true;
  return {};
}

// A crash may have kept the file's name but lost its bytes.
Result<void> PartitionLog::restore_metadata() {
  if (options_.topic_id.is_none()) return {};
  auto file = disk_->open(metadata_path(), OpenMode::create);
  if (!file) return fail(file.error());
  std::string text((*file)->size(), '\0');
  auto got = (*file)->read(0, std::as_writable_bytes(std::span(text)));
  if (!got) return fail(got.error());
  // Any other text is not replaced.
  const bool is_lost = std::ranges::all_of(text, [](char byte) { return byte == '\0'; });
  return is_lost ? write_metadata() : Result<void>();
}

std::string PartitionLog::metadata_path() const {
  return directory_ + "/" + std::string(metadata_file);
}

std::string PartitionLog::metadata_text() const {
  return "version: 0\ntopic_id: " + options_.topic_id.to_string();
}

}  // namespace dohle::log
