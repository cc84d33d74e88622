#include <algorithm>

#include "base/units.hpp"
#include "log/checkpoint.hpp"
#include "log/partition_log.hpp"

namespace dohle::log {

namespace {

/// So much of the log's end is walked to find the last batches of each producer, of which a
/// snapshot names only one: more than a producer has in flight.
constexpr std::uint64_t producer_tail_bytes = 8_MiB;

constexpr std::string_view metadata_file = "partition.metadata";

std::string snapshot_name(Offset offset) {
  return Segment::file_name(offset, ".snapshot");
}

}  // namespace

// Producers.

Result<void> PartitionLog::know_producers() {
  if (are_producers_known_) return {};
  if (auto rebuilt = rebuild_producers(end_, producers_); !rebuilt) return rebuilt;
  are_producers_known_ = true;
  return {};
}

Result<ProducerId> PartitionLog::highest_producer_id() {
  if (auto known = know_producers(); !known) return fail(known.error());
  return producers_.highest_id();
}

// The newest snapshot up to `until` that is whole; without one, nothing at the log's beginning.
Result<std::pair<Offset, ProducerState>> PartitionLog::best_snapshot(Offset until) {
  for (auto at = snapshots_.rbegin(); at != snapshots_.rend(); ++at) {
    if (*at > until || *at < segments_.front()->base_offset()) continue;
    auto file = disk_->open(directory_ + "/" + snapshot_name(*at), OpenMode::read);
    if (!file) {
      if (file.error().is(Errc::not_found)) continue;
      return fail(file.error());
    }
    std::vector<std::byte> bytes((*file)->size());
    auto got = (*file)->read(0, bytes);
    if (!got) return fail(got.error());
    auto state = ProducerState::from_snapshot(Bytes(bytes).first(*got));
    if (state) return std::pair(*at, *std::move(state));
  }
  return std::pair(segments_.front()->base_offset(), ProducerState());
}

Result<void> PartitionLog::rebuild_producers(Offset until, ProducerState& into) {
  auto snapshot = best_snapshot(until);
  if (!snapshot) return fail(snapshot.error());
  into = std::move(snapshot->second);
  auto tail = tail_begin();
  if (!tail) return fail(tail.error());
  ProducerState recent;
  if (auto fed = feed(recent, std::min(*tail, snapshot->first), until); !fed) return fed;
  into.enrich(std::move(recent));
  return {};
}

// Some offset with about producer_tail_bytes of the segments known so far behind it.
Result<Offset> PartitionLog::tail_begin() const {
  std::uint64_t bytes = producer_tail_bytes;
  for (std::size_t i = segments_.size(); i-- > 0;) {
    Segment& segment = *segments_[i];
    if (segment.size() > bytes && segment.base_offset() < end_) {
      auto position = segment.batch_before(segment.size() - bytes);
      if (!position) return fail(position.error());
      auto batch = segment.at(*position);
      if (!batch) return fail(batch.error());
      return *batch ? (*batch)->header.base_offset : segment.base_offset();
    }
    bytes -= std::min(bytes, segment.size());
  }
  return segments_.front()->base_offset();
}

Result<void> PartitionLog::feed(ProducerState& producers, Offset from, Offset until) {
  for (std::size_t i = segment_of(from); i < segments_.size(); ++i) {
    Segment& segment = *segments_[i];
    if (segment.base_offset() >= until) break;
    std::uint64_t position = 0;
    if (from > segment.base_offset()) {
      auto begin = segment.find(from);
      if (!begin) return fail(begin.error());
      if (!*begin) continue;
      position = (*begin)->position;
    }
    auto file = segment.file();
    if (!file) return fail(file.error());
    BatchWalk walk(**file, position, segment.size());
    for (;;) {
      auto batch = walk.next();
      if (!batch) return fail(batch.error());
      if (!*batch || (*batch)->header.base_offset >= until) break;
      producers.stored((*batch)->header);
    }
  }
  return {};
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

// The newest two, and those where a segment begins, are worth keeping.
void PartitionLog::forget_old_snapshots() {
  if (snapshots_.size() <= 2) return;
  const auto newest = snapshots_.end() - 2;
  const auto gone = std::remove_if(snapshots_.begin(), newest, [&](Offset at) {
    const bool begins_segment = std::ranges::any_of(
        segments_, [&](const auto& segment) { return segment->base_offset() == at; });
    // One that stays behind costs nothing but its bytes.
    if (!begins_segment) (void)disk_->remove(directory_ + "/" + snapshot_name(at));
    return !begins_segment;
  });
  snapshots_.erase(gone, newest);
}

// Leader epochs.

Result<void> PartitionLog::know_epochs() const {
  if (epochs_) return {};
  auto text = read_checkpoint(*disk_, directory_, LeaderEpochs::file_name);
  if (!text && !text.error().is(Errc::not_found)) return fail(text.error());
  if (text) epochs_ = LeaderEpochs::parse(*text);
  if (epochs_) return {};
  // A crash may have kept the file's name and lost its bytes; each batch names its epoch.
  LeaderEpochs epochs;
  for (const auto& segment : segments_) {
    auto file = segment->file();
    if (!file) return fail(file.error());
    BatchWalk walk(**file, 0, segment->size());
    for (auto batch = walk.next(); batch && *batch; batch = walk.next()) {
      (void)epochs.assign((*batch)->header.leader_epoch, (*batch)->header.base_offset);
    }
  }
  epochs_ = std::move(epochs);
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
  are_names_durable_ = false;
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

// Its sync waits for the first append: until then it is no more than the directory that names it,
// and a file held open for it would be one for each partition that nobody uses.
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

// After a crash, which may have kept the file's name and lost its bytes.
Result<void> PartitionLog::restore_metadata() {
  if (options_.topic_id.is_none()) return {};
  auto file = disk_->open(metadata_path(), OpenMode::create);
  if (!file) return fail(file.error());
  std::string text((*file)->size(), '\0');
  auto got = (*file)->read(0, std::as_writable_bytes(std::span(text)));
  if (!got) return fail(got.error());
  // Any other text is not ours to replace.
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
