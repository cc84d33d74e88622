#include <algorithm>
#include <array>
#include <charconv>

#include "base/units.hpp"
#include "log/checkpoint.hpp"
#include "log/partition_log.hpp"

namespace dohle::log {

namespace {

constexpr std::size_t name_digits = 20;
constexpr std::size_t copy_bytes = 1_MiB;
constexpr std::uint64_t sector_bytes = 512;
/// Files of one log that are open for a sync at a time.
constexpr std::size_t max_unsynced = 64;

// "00000000000000000042.log" with ".log" gives 42.
std::optional<Offset> offset_of(std::string_view name, std::string_view suffix) {
  if (name.size() != name_digits + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
  Offset offset;
  const auto [end, code] = std::from_chars(name.data(), name.data() + name_digits, offset.value);
  if (code != std::errc{} || end != name.data() + name_digits) return std::nullopt;
  return offset;
}

/// End of the last nonzero byte in [from, to); `from` if there is none.
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

/// Whether [from, to) may be the result of a lost write.
Result<bool> looks_unwritten(const File& file, std::uint64_t from, std::uint64_t to) {
  std::vector<std::byte> window;
  while (from < to) {
    // Each window ends at a sector boundary.
    window.resize(std::min<std::uint64_t>(to - from, 64_KiB - from % sector_bytes));
    auto got = file.read(from, window);
    if (!got) return fail(got.error());
    if (log::looks_unwritten(Bytes(window).first(*got), from)) return true;
    if (*got < window.size()) break;
    from += *got;
  }
  return false;
}

/// The fault of the unreadable batch at `position`, whose offset should be `due`.
Result<LogFault::Kind> kind_of_fault(const File& file, std::uint64_t position, std::uint64_t size,
                                     Offset due) {
  std::array<std::byte, wire::batch_header_bytes> head;
  auto got = file.read(position, head);
  if (!got) return fail(got.error());
  auto header =
      *got < head.size()
          ? Result<wire::BatchHeader>(fail(Error::storage(Errc::damaged, "it is cut off")))
          : wire::read_batch_header(head);
  if (*got < head.size()) return LogFault::Kind::short_file;
  if (header && position + header->size() > size) {
    // A later batch within its length proves that the length is wrong.
    auto inside = next_whole_batch(file, position + head.size(), size, due);
    if (!inside) return fail(inside.error());
    return *inside < size ? LogFault::Kind::wrong_bytes : LogFault::Kind::short_file;
  }
  const std::uint64_t head_end = position + head.size();
  const std::uint64_t end = header
                                ? position + header->size()
                                : std::min(size, head_end + sector_bytes - head_end % sector_bytes);
  auto unwritten = looks_unwritten(file, position, end);
  if (!unwritten) return fail(unwritten.error());
  return *unwritten ? LogFault::Kind::zeros : LogFault::Kind::wrong_bytes;
}

/// The number after the last '-' of a partition's directory.
std::optional<PartitionId> partition_of(std::string_view directory) {
  const auto dash = directory.rfind('-');
  if (dash == directory.npos) return std::nullopt;
  PartitionId partition;
  const char* const end = directory.data() + directory.size();
  const auto [read, code] = std::from_chars(directory.data() + dash + 1, end, partition.value);
  return code == std::errc{} && read == end ? std::optional(partition) : std::nullopt;
}

/// The recovery point was in this segment, as far as the durable state tells.
bool held_point(const std::optional<LogState>& durable, const Segment& segment) {
  return durable && durable->point_base == segment.base_offset();
}

/// Fault of a segment that does not begin at `end`, where the one before it ends.
LogFault fault_between(Offset end, const Segment& segment) {
  if (segment.base_offset() > end) {
    return {LogFault::Kind::gap, end, false,
            "offsets " + std::to_string(end.value) + " to " +
                std::to_string(segment.base_offset().value - 1) + " are missing before " +
                segment.path()};
  }
  return {LogFault::Kind::wrong_bytes, end, false,
          segment.path() + " begins before the end of the segment before it"};
}

/// Fault of a segment, by its index, that differs from the clean-stop mark and ends at `end`. None
/// if offsets are missing at its end: the walk reports them with the next segment.
std::optional<LogFault> fault_by_mark(const MarkedLog& left, std::size_t index,
                                      const Segment& segment, Offset end) {
  const bool has_next = index + 1 < left.segments.size();
  if (end < (has_next ? left.segments[index + 1].base : left.end)) return std::nullopt;
  return LogFault{LogFault::Kind::not_as_marked, end, false,
                  segment.path() + " has " + std::to_string(segment.size()) + " bytes, and had " +
                      (index < left.segments.size() ? std::to_string(left.segments[index].bytes)
                                                    : std::string("none"))};
}

/// Sets the size of a segment whose indexes are being rebuilt; keeps them.
void end_at(Segment& segment, std::uint64_t position) {
  const auto unchecked = segment.unchecked();
  segment.adopt(position);
  segment.set_unchecked(unchecked);
}

}  // namespace

struct PartitionLog::Found {
  bool is_new = false;
  std::vector<FoundSegment> segments;  // in order
  std::vector<std::string> leftovers;
};

/// A segment whose batches were walked, and the end of its good bytes.
struct PartitionLog::Walked {
  std::size_t index = 0;
  std::uint64_t position = 0;
  /// Bytes below were not walked by CRC.
  std::uint64_t crc_from = 0;
  /// After `position` there is only preallocated space.
  bool is_extended = false;
  std::optional<LogFault> fault;
};

/// The result of a walk and where it stopped.
struct PartitionLog::Stopped {
  std::vector<Walked> walked;
  std::optional<LogFault> fault;
  /// Segment and position of the fault.
  std::size_t index = 0;
  std::uint64_t position = 0;

  /// Sets the fault to the end of this segment's good bytes.
  void at_end_of(std::size_t segment, std::uint64_t size, LogFault why) {
    const bool is_walked = !walked.empty() && walked.back().index == segment;
    index = segment;
    position = is_walked ? walked.back().position : size;
    fault = std::move(why);
  }
};

Result<PartitionLog::Opened> PartitionLog::open(Disk& disk, std::string directory, LogConfig config,
                                                OpenOptions options) {
  auto opened = begin_open(disk, std::move(directory), config, std::move(options));
  while (opened && !opened->log->unsynced().empty()) {
    for (const auto& file : opened->log->unsynced()) {
      if (auto synced = disk.sync_now(*file); !synced) {
        return fail(synced.error().within("partition " + opened->log->directory_));
      }
    }
    if (auto more = opened->log->recover_on(opened->report); !more) return fail(more.error());
  }
  return opened;
}

Result<PartitionLog::Opened> PartitionLog::begin_open(Disk& disk, std::string directory,
                                                      LogConfig config, OpenOptions options) {
  std::unique_ptr<PartitionLog> log(
      new PartitionLog(disk, std::move(directory), config, std::move(options)));
  auto report = log->recover();
  if (!report) return fail(report.error().within("partition " + log->directory_));
  return Opened{std::move(log), *std::move(report)};
}

Result<PartitionLog::Found> PartitionLog::survey() {
  Found found;
  auto entries = disk_->list_with_sizes_of(directory_, ".log");
  if (!entries && entries.error().is(Errc::not_found)) {
    if (auto made = disk_->make_directories(directory_); !made) return fail(made.error());
    found.is_new = true;
    return found;
  }
  if (!entries) return fail(entries.error());
  for (const DirectoryEntry& entry : *entries) {
    if (const auto base = offset_of(entry.name, ".log")) {
      found.segments.emplace_back(*base, entry.size);
    } else if (const auto at = offset_of(entry.name, ".snapshot")) {
      snapshots_.push_back(*at);
    } else if (entry.name.ends_with(".deleted") || entry.name.ends_with(".tmp")) {
      found.leftovers.push_back(entry.name);
    } else if (entry.name == AcceptedGaps::file_name) {
      auto text = read_checkpoint(*disk_, directory_, AcceptedGaps::file_name);
      if (!text) return fail(text.error());
      // A damaged file counts as absent: its losses can be accepted again.
      if (auto gaps = AcceptedGaps::parse(*text)) gaps_ = *std::move(gaps);
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
  if (auto same = check_identity(); !same) return fail(same.error());
  if (const auto partition = partition_of(directory_); partition && !options_.topic_id.is_none()) {
    state_file_.set_identity({options_.topic_id, *partition});
  }
  take_up_state(*found);
  if (auto cleaned = clean_up(*found); !cleaned) return fail(cleaned.error());
  if (auto accepted = accept_losses(report); !accepted) return fail(accepted.error());
  end_ = log_start_;
  const bool is_as_left = this->is_as_left();
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
    active_since_ =
        is_as_left && options_.last.marked ? options_.last.marked->active_since : Timestamp{};
  }
  if (auto begun = begin_writing(report); !begun) return fail(begun.error());
  return report;
}

// Takes over the log's durable state and its existing segments.
void PartitionLog::take_up_state(const Found& found) {
  if (durable_state_) {
    log_start_ = durable_state_->log_start;
    recovery_point_ = durable_state_->recovery_point;
    active_since_ = durable_state_->active_since;
    are_names_noted_ = true;
    // Written when the log was created, and never synced.
    if (*durable_state_ == LogState()) {
      durable_state_.reset();
      are_names_noted_ = false;
    }
  } else if (!found.segments.empty()) {
    log_start_ = found.segments.front().first;
  }
  const auto& marked = options_.last.marked;
  if (marked) {
    log_start_ = marked->log_start;
    recovery_point_ = std::max(recovery_point_, marked->end);
  }
  for (const auto& [base, size] : found.segments) {
    segments_.push_back(make_segment(base));
    segments_.back()->adopt(size);
    if (!marked) continue;
    const auto left = std::ranges::find(marked->segments, base, &MarkedSegment::base);
    if (left != marked->segments.end()) segments_.back()->expect_last_crc(left->last_crc);
  }
}

// Directories may have been exchanged.
Result<void> PartitionLog::check_identity() const {
  const auto& identity = state_file_.loaded_identity();
  const auto partition = partition_of(directory_);
  if (!identity || options_.topic_id.is_none() || !partition) return {};
  if (*identity == LogIdentity{options_.topic_id, *partition}) return {};
  return fail(Error::storage(
      Errc::damaged,
      directory_ + "/" + std::string(StateFile::name) + " is that of topic id " +
          identity->topic.to_string() + ", partition " + std::to_string(identity->partition.value) +
          ", and not of topic id " + options_.topic_id.to_string() + ", partition " +
          std::to_string(partition->value) +
          ": directories or files were exchanged; put them back, or delete the topic"));
}

// No batches have to be walked. The mark of 0.1.0 tells only that the stop was clean.
bool PartitionLog::is_as_left() const {
  if (segments_.empty()) return false;
  if (options_.last.marked) return !difference_from_mark();
  return options_.last.end == LastLife::End::clean_old && durable_state_ &&
         segments_.front()->base_offset() <= log_start_ &&
         active().base_offset() == durable_state_->point_base &&
         active().size() == durable_state_->point_position;
}

std::optional<std::size_t> PartitionLog::difference_from_mark() const {
  if (!options_.last.marked) return std::nullopt;
  std::vector<FoundSegment> found;
  for (const auto& segment : segments_) {
    found.emplace_back(segment->base_offset(), segment->size());
  }
  return first_difference(found, *options_.last.marked);
}

Offset PartitionLog::acknowledged() const {
  return acknowledged_end(options_.last, recovery_point_);
}

// The error for a refused log: the damage, its place and the remedy.
Error PartitionLog::refusal(Offset at, std::string_view why) const {
  const std::string name = directory_.substr(directory_.rfind('/') + 1);
  const auto dash = name.rfind('-');
  const std::string number = std::to_string(at.value);
  return Error::storage(
      Errc::damaged,
      "topic " + name.substr(0, dash) + ", partition " +
          (dash == name.npos ? std::string("?") : name.substr(dash + 1)) + ", offset " + number +
          ": " + std::string(why) +
          ": restore the file from a copy, or delete the topic, or start the node with "
          "--accept-loss " +
          name + "@" + number + ", which puts the damaged bytes aside and keeps what follows them");
}

// Removes leftovers of deletions and replacements, and segments that lie below the start.
Result<void> PartitionLog::clean_up(const Found& found) {
  for (const std::string& name : found.leftovers) {
    if (auto removed = disk_->remove(directory_ + "/" + name); !removed) return removed;
  }
  const auto has_below = [&] {
    return segments_.size() > 1 && segments_[1]->base_offset() <= log_start_;
  };
  if (has_below() && durable_state_) {
    // The start may come from the page cache of a process that died.
    auto file = state_file_.write(*durable_state_);
    if (!file && file.error().is(Errc::disk_full)) return {};  // the next start removes them
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
  if (acknowledged() > log_start_) {
    return fail(refusal(log_start_, directory_ + " has no segment; records up to offset " +
                                        std::to_string(acknowledged().value) +
                                        " were acknowledged"));
  }
  segments_.push_back(make_segment(log_start_));
  unwritten_ = Unwritten{};
  unwritten_->is_new = true;
  are_names_noted_ = false;
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
    return fail(Error::storage(Errc::damaged, active().path() + " begins after the log's end " +
                                                  std::to_string(end_.value)));
  }
  // The file's name was lost; it becomes durable with the next names.
  return durable_state_ ? Result<void>() : state_file_.make();
}

Result<void> PartitionLog::walk_segments(RecoveryReport& report) {
  unwritten_ = Unwritten{};
  auto stopped = walk_to_fault(report);
  if (!stopped) return fail(stopped.error());
  const Decision decision = decide(stopped->fault, end_, recovery_point_, options_.last);
  if (decision.kind == Decision::Kind::refuse) {
    return fail(refusal(decision.offset, decision.why));
  }
  if (decision.kind == Decision::Kind::cut) {
    report.may_be_missing = decision.why;
    auto done = cut(stopped->index, stopped->position, *stopped->fault, report);
    if (!done) return done;
  }
  const auto& told = options_.last.told_end;
  if (told && end_ < *told) {
    report.missing_to = *told;
    report.may_be_missing = options_.last.may_be_missing;
  }
  if (auto taken = take_up_walked(stopped->walked); !taken) return taken;
  take_up_recovered();
  return {};
}

// Walks the segments as far as their batches are good. Changes only indexes.
Result<PartitionLog::Stopped> PartitionLog::walk_to_fault(RecoveryReport& report) {
  Stopped stopped;
  const auto differs = difference_from_mark();
  if (segments_.front()->base_offset() > log_start_) {
    stopped.fault = LogFault{LogFault::Kind::missing_start, end_, false,
                             "the log starts at offset " + std::to_string(log_start_.value) +
                                 ", and " + segments_.front()->path() + " is its first segment"};
    return stopped;
  }
  end_ = segments_.front()->base_offset();
  bool is_walking = false;
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const Segment& segment = *segments_[i];
    // A part that was given up may have been put back.
    if (segment.base_offset() != end_) end_ = gaps_.behind(end_);
    if (segment.base_offset() != end_) {
      stopped.at_end_of(i - 1, segments_[i - 1]->size(), fault_between(end_, segment));
      return stopped;
    }
    // The segment with the recovery point may have been finished since, and its cut lost.
    const bool lies_below = i + 1 < segments_.size() && !held_point(durable_state_, segment) &&
                            segments_[i + 1]->base_offset() <= recovery_point_ &&
                            segment.size() > 0 && differs != i && differs != i + 1;
    if (lies_below) {
      end_ = segments_[i + 1]->base_offset();
      continue;
    }
    if (!is_walking) {
      is_walking = true;
      if (auto begun = begin_walk(segment.base_offset()); !begun) return fail(begun.error());
    }
    auto walked = walk_segment(i, report);
    if (!walked) return fail(walked.error());
    stopped.walked.push_back(*walked);
    stopped.index = i;
    stopped.position = walked->position;
    stopped.fault = std::move(walked->fault);
    if (!stopped.fault && differs == i) {
      stopped.fault = fault_by_mark(*options_.last.marked, i, segment, end_);
    }
    if (stopped.fault) return stopped;
  }
  return stopped;
}

// Loads producers and epochs as of `from`.
Result<void> PartitionLog::begin_walk(Offset from) {
  if (auto epochs = know_epochs(); !epochs) return epochs;
  epochs_->cut(from);
  auto producers = producers_at(from);
  if (!producers) return fail(producers.error());
  producers_ = *std::move(producers);
  are_producers_known_ = true;
  return {};
}

// Walks the batches of a segment, feeds producers and epochs, and rebuilds its indexes.
Result<PartitionLog::Walked> PartitionLog::walk_segment(std::size_t index, RecoveryReport& report) {
  Segment& segment = *segments_[index];
  // Bytes below are known to be on disk.
  const std::uint64_t crc_from =
      held_point(durable_state_, segment) ? durable_state_->point_position : 0;
  auto file = segment.file();
  if (!file) return fail(file.error());
  if (auto begun = segment.begin_indexes(); !begun) return fail(begun.error());
  BatchWalk walk(**file, 0, segment.size(), crc_from);
  auto walked = take_up_batches(walk, segment);
  if (!walked) return walked;
  walked->index = index;
  walked->crc_from = crc_from;
  const std::uint64_t position = walked->position;
  if (position > crc_from) report.walked_bytes += position - crc_from;
  segment.set_unchecked({0, std::min(crc_from, position), segment.base_offset()});
  if (!walked->fault) return walked;
  walked->fault->is_below_point = position < crc_from;
  auto content = end_of_content(**file, position, segment.size());
  if (!content) return fail(content.error());
  // Only preallocated space is left.
  walked->is_extended = *content == position;
  if (walked->is_extended) walked->fault.reset();
  return walked;
}

// Takes the batches up to the first one that is damaged or does not follow the one before it.
Result<PartitionLog::Walked> PartitionLog::take_up_batches(BatchWalk& walk, Segment& segment) {
  Walked walked;
  for (;;) {
    auto batch = walk.next();
    if (!batch && !batch.error().is(Errc::damaged)) return fail(batch.error());
    if (!batch) {
      auto file = segment.file();
      if (!file) return fail(file.error());
      auto kind = kind_of_fault(**file, walked.position, segment.size(), end_);
      if (!kind) return fail(kind.error());
      walked.fault = LogFault{*kind, end_, false, std::string(batch.error().message())};
      return walked;
    }
    if (!*batch) return walked;
    const wire::BatchHeader& header = (*batch)->header;
    if (header.base_offset != end_) {
      const bool is_torn = log::looks_unwritten(header.base_offset, end_, walked.position);
      walked.fault =
          LogFault{is_torn ? LogFault::Kind::zeros : LogFault::Kind::wrong_bytes, end_, false,
                   segment.path() + " at byte " + std::to_string(walked.position) +
                       ": a batch begins at offset " + std::to_string(header.base_offset.value) +
                       " and not at " + std::to_string(end_.value)};
      return walked;
    }
    segment.index(**batch);
    producers_.stored(header);
    (void)epochs_->assign(header.leader_epoch, header.base_offset);
    end_ = header.next_offset();
    walked.position = walk.position();
  }
}

// Takes over the walked log. From here on its files are changed.
Result<void> PartitionLog::take_up_walked(const std::vector<Walked>& walked) {
  for (const Walked& each : walked) {
    Segment& segment = *segments_[each.index];
    auto file = segment.file();
    if (!file) return fail(file.error());
    if (each.is_extended) {
      if (auto shorter = (*file)->truncate(each.position); !shorter) return shorter;
      end_at(segment, each.position);
    }
    auto again = write_again(**file, each.crc_from, each.position);
    if (!again) return again;
    if (auto ended = segment.end_indexes(); !ended) return ended;
  }
  return {};
}

// After a failed sync the page cache may hold, as clean, bytes that the disk does not have: they
// can be read until a crash, but no later sync writes them. The same goes for the file's size.
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

// Ends the log at `position` of a segment. The bytes after it were not acknowledged; they are kept.
Result<void> PartitionLog::cut(std::size_t index, std::uint64_t position, const LogFault& why,
                               RecoveryReport& report) {
  Segment& segment = *segments_[index];
  report.cut_from = report.cut_to = end_;
  report.why = why.what;
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

// The log counts as synced from here on. It is once the first step of the writing is.
void PartitionLog::take_up_recovered() {
  log_start_ = std::max(log_start_, segments_.front()->base_offset());
  synced_end_ = end_;
  synced_mark_ = {end_, active().base_offset(), active().size()};
}

// Recovery may have read from the page cache of a process that died: names, segments and their
// sizes. So it syncs the files that it read, which needs no space.
Result<void> PartitionLog::begin_to_sync_segments() {
  unsynced_ = {disk_->names_in(directory_), parent_names()};
  std::size_t first = segment_of(recovery_point_);
  // The segment of the recovery point may have been finished, and its cut not synced.
  while (first > 0 && durable_state_ &&
         segments_[first]->base_offset() > durable_state_->point_base) {
    --first;
  }
  for (std::size_t i = first; i < segments_.size(); ++i) {
    if (unsynced_.size() >= max_unsynced) {
      if (auto synced = disk_->sync_all_now(unsynced_); !synced) return synced;
      unsynced_.clear();
    }
    auto file = segments_[i]->file();
    if (!file) return fail(file.error());
    unsynced_.push_back(*std::move(file));
    auto indexes = segments_[i]->index_files();
    if (!indexes) return fail(indexes.error());
    for (auto& index : *indexes) unsynced_.push_back(std::move(index));
  }
  return {};
}

std::shared_ptr<File> PartitionLog::parent_names() const {
  return options_.parent_names ? options_.parent_names : disk_->names_in(parent_of(directory_));
}

}  // namespace dohle::log
