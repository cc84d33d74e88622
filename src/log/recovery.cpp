#include <algorithm>
#include <charconv>

#include "base/units.hpp"
#include "log/partition_log.hpp"

namespace dohle::log {

namespace {

constexpr std::size_t name_digits = 20;
constexpr std::size_t copy_bytes = 1_MiB;

// "00000000000000000042.log" with ".log" gives 42.
std::optional<Offset> offset_of(std::string_view name, std::string_view suffix) {
  if (name.size() != name_digits + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
  Offset offset;
  const auto [end, code] = std::from_chars(name.data(), name.data() + name_digits, offset.value);
  if (code != std::errc{} || end != name.data() + name_digits) return std::nullopt;
  return offset;
}

Error below_recovery_point(const Error& why, Offset recovery_point) {
  return Error::storage(Errc::damaged,
                        std::string(why.message()) + "; it lies below the recovery point " +
                            std::to_string(recovery_point.value) +
                            ", so acknowledged records are affected: restore the file from a copy, "
                            "or delete the topic");
}

/// Where the bytes of [from, to) end that are not zero; `from` if there is none.
Result<std::uint64_t> end_of_content(const File& file, std::uint64_t from, std::uint64_t to) {
  std::vector<std::byte> window;
  while (to > from) {
    const std::uint64_t begin = to - std::min<std::uint64_t>(to - from, 64_KiB);
    window.resize(to - begin);
    auto got = file.read(begin, window);
    if (!got) return fail(got.error());
    window.resize(*got);
    const auto last = std::ranges::find_if(window.rbegin(), window.rend(),
                                           [](std::byte byte) { return byte != std::byte{0}; });
    if (last != window.rend()) return begin + static_cast<std::uint64_t>(window.rend() - last);
    to = begin;
  }
  return from;
}

/// As far as the state on disk knows, the recovery point was in this segment.
bool held_point(const std::optional<LogState>& durable, const Segment& segment) {
  return durable && durable->point_base == segment.base_offset();
}

/// Its indexes are under way, and stay.
void end_at(Segment& segment, std::uint64_t position) {
  const auto unchecked = segment.unchecked();
  segment.adopt(position);
  segment.set_unchecked(unchecked);
}

}  // namespace

struct PartitionLog::Found {
  bool is_new = false;
  std::vector<std::pair<Offset, std::uint64_t>> segments;  // base and bytes, in order
  std::vector<std::string> leftovers;
};

/// How far a segment's batches are good.
struct PartitionLog::Walked {
  std::uint64_t position = 0;
  /// What ended them before the end of the file.
  std::optional<Error> fault;
};

Result<PartitionLog::Opened> PartitionLog::open(Disk& disk, std::string directory, LogConfig config,
                                                OpenOptions options) {
  std::unique_ptr<PartitionLog> log(
      new PartitionLog(disk, std::move(directory), config, std::move(options)));
  auto report = log->recover();
  if (!report) return fail(report.error().within("partition " + log->directory_));
  return Opened{std::move(log), *std::move(report)};
}

Result<PartitionLog::Opened> PartitionLog::open(Disk& disk, std::string directory, LogConfig config,
                                                bool was_clean) {
  OpenOptions options;
  options.was_clean = was_clean;
  return open(disk, std::move(directory), config, std::move(options));
}

Result<PartitionLog::Found> PartitionLog::survey() {
  Found found;
  if (!disk_->exists(directory_)) {
    if (auto made = disk_->make_directories(directory_); !made) return fail(made.error());
    found.is_new = true;
  }
  auto entries = disk_->list(directory_);
  if (!entries) return fail(entries.error());
  for (const DirectoryEntry& entry : *entries) {
    if (const auto base = offset_of(entry.name, ".log")) {
      found.segments.emplace_back(*base, entry.size);
    } else if (const auto at = offset_of(entry.name, ".snapshot")) {
      snapshots_.push_back(*at);
    } else if (entry.name.ends_with(".deleted") || entry.name.ends_with(".tmp")) {
      found.leftovers.push_back(entry.name);
    }
  }
  std::ranges::sort(found.segments);
  std::ranges::sort(snapshots_);
  auto state = state_file_.load();
  if (!state) return fail(state.error());
  durable_state_ = *state;
  return found;
}

Result<RecoveryReport> PartitionLog::recover() {
  RecoveryReport report;
  auto found = survey();
  if (!found) return fail(found.error());
  if (durable_state_) {
    log_start_ = durable_state_->log_start;
    recovery_point_ = durable_state_->recovery_point;
    active_since_ = durable_state_->active_since;
    are_names_durable_ = true;
  } else if (!found->segments.empty()) {
    log_start_ = found->segments.front().first;
  }
  for (const auto& [base, size] : found->segments) {
    segments_.push_back(make_segment(base));
    segments_.back()->adopt(size);
  }
  if (auto cleaned = clean_up(*found); !cleaned) return fail(cleaned.error());
  end_ = log_start_;
  const bool is_as_left = options_.was_clean && durable_state_ && !segments_.empty() &&
                          active().base_offset() == durable_state_->point_base &&
                          active().size() == durable_state_->point_position;
  Result<void> outcome;
  if (segments_.empty()) {
    outcome = begin_empty();
  } else if (is_as_left) {
    outcome = take_up_clean();
  } else {
    outcome = walk_segments(report);
  }
  if (!outcome) return fail(outcome.error());
  if (!durable_state_ || active().base_offset() != durable_state_->active_base) {
    active_since_ = Timestamp{};
  }
  if (auto finished = finish_recovery(); !finished) {
    if (offline_ || !finished.error().is(Errc::disk_full)) return fail(finished.error());
    report.unwritten = finished.error();
  }
  return report;
}

// What a deletion or a replacement left behind, and segments that lie below the start.
Result<void> PartitionLog::clean_up(const Found& found) {
  for (const std::string& name : found.leftovers) {
    if (auto removed = disk_->remove(directory_ + "/" + name); !removed) return removed;
  }
  const auto has_below = [&] {
    return segments_.size() > 1 && segments_[1]->base_offset() <= log_start_;
  };
  if (has_below() && durable_state_) {
    // The start may have been read from the page cache of a process that died.
    auto file = state_file_.write(*durable_state_);
    if (!file && file.error().is(Errc::disk_full)) return {};  // another start removes them
    if (!file) return fail(file.error());
    if (auto synced = disk_->sync_now(**file); !synced) return synced;
    state_file_.settle();
  }
  while (has_below()) {
    auto retired = segments_.front()->retire(*disk_);
    if (!retired) return fail(retired.error());
    for (const std::string& path : *retired) {
      if (auto removed = disk_->remove(path); !removed) return removed;
    }
    std::erase(snapshots_, segments_.front()->base_offset());
    segments_.erase(segments_.begin());
  }
  return {};
}

Result<void> PartitionLog::begin_empty() {
  if (recovery_point_ > log_start_) {
    return fail(below_recovery_point(Error::storage(Errc::damaged, directory_ + " has no segment"),
                                     recovery_point_));
  }
  segments_.push_back(make_segment(log_start_));
  unwritten_ = Unwritten{};
  unwritten_->is_new = true;
  are_names_durable_ = false;
  are_producers_known_ = true;
  epochs_.emplace();
  end_ = synced_end_ = recovery_point_ = log_start_;
  synced_mark_ = {end_, log_start_, 0};
  return {};
}

Result<void> PartitionLog::take_up_clean() {
  end_ = synced_end_ = recovery_point_;
  synced_mark_ = {end_, active().base_offset(), active().size()};
  if (end_ < active().base_offset()) {
    return fail(Error::storage(Errc::damaged, active().path() + " begins behind the log's end " +
                                                  std::to_string(end_.value)));
  }
  return {};
}

Result<void> PartitionLog::walk_segments(RecoveryReport& report) {
  unwritten_ = Unwritten{};
  if (segments_.front()->base_offset() <= log_start_) end_ = segments_.front()->base_offset();
  bool is_walking = false;
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const Segment& segment = *segments_[i];
    if (segment.base_offset() < end_) {
      return fail(Error::storage(Errc::damaged, segment.path() + " begins at offset " +
                                                    std::to_string(segment.base_offset().value) +
                                                    ", before the end of the segment before it"));
    }
    if (segment.base_offset() > end_) {
      if (auto done = cut_at_gap(i, report); !done) return done;
      break;
    }
    // The one that the recovery point was in may have been finished since, and its cut lost.
    const bool lies_below = i + 1 < segments_.size() && !held_point(durable_state_, segment) &&
                            segments_[i + 1]->base_offset() <= recovery_point_;
    if (lies_below) {
      end_ = segments_[i + 1]->base_offset();
      continue;
    }
    if (!is_walking) {
      is_walking = true;
      if (auto begun = begin_walk(segment.base_offset()); !begun) return begun;
    }
    auto fault = walk_segment(i, report);
    if (!fault) return fail(fault.error());
    if (*fault) break;
  }
  if (end_ < recovery_point_) {
    return fail(below_recovery_point(
        Error::storage(Errc::damaged, "the log ends at offset " + std::to_string(end_.value)),
        recovery_point_));
  }
  return take_up_recovered();
}

// Ends the log where offsets are missing, which is before the segment of that index.
Result<void> PartitionLog::cut_at_gap(std::size_t index, RecoveryReport& report) {
  const Error gap =
      Error::storage(Errc::damaged, "offsets " + std::to_string(end_.value) + " to " +
                                        std::to_string(segments_[index]->base_offset().value - 1) +
                                        " are missing");
  if (end_ < recovery_point_) return fail(below_recovery_point(gap, recovery_point_));
  if (index == 0) {
    // Nothing of it was ever known to be on disk: the log begins anew where it was to begin.
    segments_.insert(segments_.begin(), make_segment(end_));
    unwritten_->lacks_segment = true;
    return cut(0, 0, gap, report);
  }
  return cut(index - 1, segments_[index - 1]->size(), gap, report);
}

// Producers and epochs as they were at `from`.
Result<void> PartitionLog::begin_walk(Offset from) {
  if (auto epochs = know_epochs(); !epochs) return epochs;
  epochs_->cut(from);
  if (auto rebuilt = rebuild_producers(from, producers_); !rebuilt) return rebuilt;
  are_producers_known_ = true;
  return {};
}

// Follows the batches of a segment, feeds producers and epochs, and makes its indexes anew. Returns
// the fault at which it had to cut.
Result<std::optional<Error>> PartitionLog::walk_segment(std::size_t index, RecoveryReport& report) {
  Segment& segment = *segments_[index];
  // What lies below is known to be on disk.
  const std::uint64_t crc_from =
      held_point(durable_state_, segment) ? durable_state_->point_position : 0;
  if (segment.size() < crc_from) {
    return fail(below_recovery_point(
        Error::storage(Errc::damaged, segment.path() + " has " + std::to_string(segment.size()) +
                                          " bytes, and had " + std::to_string(crc_from)),
        recovery_point_));
  }
  auto file = segment.file();
  if (!file) return fail(file.error());
  if (auto begun = segment.begin_indexes(); !begun) return fail(begun.error());
  BatchWalk walk(**file, 0, segment.size(), crc_from);
  auto walked = take_up_batches(walk, segment);
  if (!walked) return fail(walked.error());
  auto& [position, fault] = *walked;
  if (position > crc_from) report.walked_bytes += position - crc_from;
  segment.set_unchecked({0, std::min(crc_from, position), segment.base_offset()});
  if (fault && (end_ < recovery_point_ || position < crc_from)) {
    return fail(below_recovery_point(*fault, recovery_point_));
  }
  if (fault) {
    auto content = end_of_content(**file, position, segment.size());
    if (!content) return fail(content.error());
    if (*content == position) {
      // What the file was extended by, for appends that never came.
      if (auto shorter = (*file)->truncate(position); !shorter) return fail(shorter.error());
      end_at(segment, position);
      fault.reset();
    } else if (auto done = cut(index, position, *fault, report); !done) {
      return fail(done.error());
    }
  }
  if (auto again = write_again(**file, crc_from, position); !again) return fail(again.error());
  if (auto ended = segment.end_indexes(); !ended) return fail(ended.error());
  return std::move(fault);
}

// Those up to the first that is damaged or does not follow on the one before it.
Result<PartitionLog::Walked> PartitionLog::take_up_batches(BatchWalk& walk, Segment& segment) {
  std::uint64_t position = 0;
  for (;;) {
    auto batch = walk.next();
    if (!batch && !batch.error().is(Errc::damaged)) return fail(batch.error());
    if (!batch) return Walked{position, batch.error()};
    if (!*batch) return Walked{position, std::nullopt};
    const wire::BatchHeader& header = (*batch)->header;
    if (header.base_offset != end_) {
      return Walked{
          position,
          Error::storage(Errc::damaged, segment.path() + " at byte " + std::to_string(position) +
                                            ": a batch begins at offset " +
                                            std::to_string(header.base_offset.value) +
                                            " and not at " + std::to_string(end_.value))};
    }
    segment.index(**batch);
    producers_.stored(header);
    (void)epochs_->assign(header.leader_epoch, header.base_offset);
    end_ = header.next_offset();
    position = walk.position();
  }
}

// Behind a sync that failed, the page cache may hold bytes that the disk does not, as clean ones:
// they can be read until a crash, and no later sync writes them. The same goes for where the file
// ends.
Result<void> PartitionLog::write_again(File& file, std::uint64_t from, std::uint64_t to) {
  const std::uint64_t end = file.size();
  if (auto longer = file.truncate(end + 1); !longer) return longer;
  if (auto ended = file.truncate(end); !ended) return ended;
  if (from >= to) return {};
  std::vector<std::byte> bytes(std::min<std::uint64_t>(copy_bytes, to - from));
  while (from < to) {
    const std::uint64_t most = std::min<std::uint64_t>(bytes.size(), to - from);
    auto got = file.read(from, std::span(bytes).first(most));
    if (!got) return fail(got.error());
    if (*got == 0) break;
    const Bytes piece(bytes.data(), *got);
    if (auto written = file.write(from, {&piece, 1}); !written) return written;
    from += *got;
  }
  return {};
}

// Ends the log at `position` of a segment. Nothing that follows was acknowledged; it is kept.
Result<void> PartitionLog::cut(std::size_t index, std::uint64_t position, const Error& why,
                               RecoveryReport& report) {
  Segment& segment = *segments_[index];
  report.cut_from = report.cut_to = end_;
  report.why = why.message();
  if (position < segment.size()) {
    if (auto noted = note_tail(segment, position, report); !noted) return noted;
    end_at(segment, position);
  }
  for (std::size_t i = index + 1; i < segments_.size(); ++i) {
    report.cut_bytes += segments_[i]->size();
    auto file = segments_[i]->file();
    if (!file) return fail(file.error());
    BatchWalk walk(**file, 0, segments_[i]->size());
    for (auto batch = walk.next(); batch && *batch; batch = walk.next()) {
      report.cut_to = std::max(report.cut_to, (*batch)->header.next_offset());
    }
    if (report.kept_in.empty()) report.kept_in = segments_[i]->path() + ".cut";
    unwritten_->aside.push_back(std::move(segments_[i]));
  }
  segments_.resize(index + 1);
  return {};
}

Result<void> PartitionLog::note_tail(Segment& segment, std::uint64_t position,
                                     RecoveryReport& report) {
  auto file = segment.file();
  if (!file) return fail(file.error());
  BatchWalk walk(**file, position, segment.size());
  for (auto batch = walk.next(); batch && *batch; batch = walk.next()) {
    if ((*batch)->header.base_offset < end_) break;
    report.cut_to = std::max(report.cut_to, (*batch)->header.next_offset());
  }
  const auto content = end_of_content(**file, position, segment.size());
  if (!content) return fail(content.error());
  report.cut_bytes = *content - position;
  report.kept_in = directory_ + "/" +
                   Segment::file_name(segment.base_offset(), ".cut-" + std::to_string(end_.value));
  unwritten_->tail_end = *content;
  unwritten_->tail_path = report.kept_in;
  return {};
}

// What recovery read may have come from the page cache of a process that died: it counts once it is
// synced, which takes no space.
Result<void> PartitionLog::take_up_recovered() {
  log_start_ = std::max(log_start_, segments_.front()->base_offset());
  if (!unwritten_->lacks_segment) {
    if (auto synced = sync_segments(); !synced) return synced;
  }
  synced_end_ = end_;
  synced_mark_ = {end_, active().base_offset(), active().size()};
  return {};
}

Result<void> PartitionLog::sync_segments() {
  std::size_t first = segment_of(recovery_point_);
  // The segment of the recovery point may have been finished, and its cut not synced.
  while (first > 0 && durable_state_ &&
         segments_[first]->base_offset() > durable_state_->point_base) {
    --first;
  }
  for (std::size_t i = first; i < segments_.size(); ++i) {
    auto file = segments_[i]->file();
    if (!file) return fail(file.error());
    if (auto synced = disk_->sync_now(**file); !synced) return synced;
    auto indexes = segments_[i]->index_files();
    if (!indexes) return fail(indexes.error());
    for (const auto& index : *indexes) {
      if (auto synced = disk_->sync_now(*index); !synced) return synced;
    }
  }
  return {};
}

// Writing. Each step may have been done before, up to one for which there was no space.

Result<void> PartitionLog::finish_recovery() {
  if (offline_) return fail(*offline_);
  if (!unwritten_) return {};
  const bool is_new = unwritten_->is_new;
  if (auto written = is_new ? write_new() : write_recovered(); !written) return written;
  unwritten_.reset();
  if (is_new) return {};
  auto pointed = write_recovery_point();
  // The old one still holds, and the next checkpoint tries again.
  if (!pointed && !offline_ && pointed.error().is(Errc::disk_full)) return {};
  return pointed;
}

Result<void> PartitionLog::write_new() {
  if (auto created = active().create(); !created) return created;
  if (auto made = state_file_.make(); !made) return made;
  return write_metadata();
}

Result<void> PartitionLog::write_recovered() {
  if (unwritten_->lacks_segment) {
    if (auto created = active().create(); !created) return created;
    unwritten_->lacks_segment = false;
  }
  if (auto kept = keep_tail(); !kept) return kept;
  if (auto aside = set_aside(); !aside) return aside;
  if (auto forgotten = forget_snapshots_behind_the_end(); !forgotten) return forgotten;
  if (auto restored = restore_metadata(); !restored) return restored;
  if (auto noted = note_metadata(); !noted) return noted;
  if (auto written = write_epochs(); !written) return written;
  for (const ToSync& extra : std::exchange(to_sync_, {})) {
    if (auto synced = sync_now(*extra.file); !synced) return synced;
  }
  if (auto made = state_file_.make(); !made) return made;
  if (auto synced = disk_->sync_directory(directory_); !synced) {
    go_offline(synced.error());
    return synced;
  }
  durable_state_.reset();  // what was read may never have been synced
  return {};
}

// The bytes behind the end, beside the log; then they are cut.
Result<void> PartitionLog::keep_tail() {
  if (unwritten_->tail_end == 0) return {};
  auto file = active().file();
  if (!file) return fail(file.error());
  auto kept = disk_->open(unwritten_->tail_path, OpenMode::truncate);
  if (!kept) return fail(kept.error());
  const std::uint64_t begin = active().size();
  std::vector<std::byte> bytes(std::min<std::uint64_t>(copy_bytes, unwritten_->tail_end - begin));
  for (std::uint64_t at = begin; at < unwritten_->tail_end;) {
    const std::uint64_t most = std::min<std::uint64_t>(bytes.size(), unwritten_->tail_end - at);
    auto got = (*file)->read(at, std::span(bytes).first(most));
    if (!got) return fail(got.error());
    if (*got == 0) break;
    const Bytes piece(bytes.data(), *got);
    if (auto written = (*kept)->write(at - begin, {&piece, 1}); !written) {
      // A part would only take space from whoever waits for some.
      (void)disk_->remove(unwritten_->tail_path);
      return written;
    }
    at += *got;
  }
  if (auto synced = sync_now(**kept); !synced) return synced;
  if (auto synced = disk_->sync_directory(directory_); !synced) {
    go_offline(synced.error());
    return synced;
  }
  if (auto shorter = (*file)->truncate(begin); !shorter) return shorter;
  unwritten_->tail_end = 0;
  return sync_now(**file);
}

Result<void> PartitionLog::set_aside() {
  for (auto& aside = unwritten_->aside; !aside.empty(); aside.pop_back()) {
    const std::string path = aside.back()->path();
    if (auto renamed = disk_->rename(path, path + ".cut"); !renamed) return renamed;
    for (const std::string_view suffix : {".index", ".timeindex"}) {
      const auto removed =
          disk_->remove(directory_ + "/" + Segment::file_name(aside.back()->base_offset(), suffix));
      if (!removed && !removed.error().is(Errc::not_found)) return removed;
    }
  }
  return {};
}

Result<void> PartitionLog::forget_snapshots_behind_the_end() {
  while (!snapshots_.empty() && snapshots_.back() > end_) {
    const auto removed =
        disk_->remove(directory_ + "/" + Segment::file_name(snapshots_.back(), ".snapshot"));
    if (!removed && !removed.error().is(Errc::not_found)) return removed;
    snapshots_.pop_back();
  }
  return {};
}

// A failed sync is never repeated: what it left is unknown.
Result<void> PartitionLog::sync_now(File& file) {
  auto synced = disk_->sync_now(file);
  if (!synced) go_offline(synced.error());
  return synced;
}

}  // namespace dohle::log
