#include <algorithm>

#include "log/partition_log.hpp"

namespace dohle::log {

namespace {

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

Result<void> PartitionLog::write_snapshot() {
  if (!snapshots_.empty() && snapshots_.back() == end_) return {};
  if (auto known = know_producers(); !known) return known;
  auto file = disk_->open(directory_ + "/" + snapshot_name(end_), OpenMode::truncate);
  if (!file) return fail(file.error());
  const Slice snapshot = producers_.snapshot();
  const Bytes piece = snapshot.bytes();
  if (auto written = (*file)->write(0, {&piece, 1}); !written) return written;
  to_sync_.push_back({*std::move(file), end_ + 1});
  snapshots_.push_back(end_);
  forget_old_snapshots();
  return {};
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
