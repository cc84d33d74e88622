#include "log/partition_log.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/broker_errors.hpp"
#include "log/checkpoint.hpp"

namespace dohle::log {

namespace {

// Two lines of text: the recovery point and the log's start.
constexpr std::string_view offsets_file = "dohle-offsets";
constexpr std::string_view log_suffix = ".log";
constexpr std::size_t name_digits = 20;

std::optional<Offset> offset_of_file(std::string_view name) {
  if (name.size() != name_digits + log_suffix.size() || !name.ends_with(log_suffix)) {
    return std::nullopt;
  }
  Offset offset;
  const auto [end, code] = std::from_chars(name.data(), name.data() + name_digits, offset.value);
  if (code != std::errc{} || end != name.data() + name_digits) return std::nullopt;
  return offset;
}

std::optional<std::pair<Offset, Offset>> parse_offsets(std::string_view text) {
  Offset first;
  Offset second;
  const char* const end = text.data() + text.size();
  auto parsed = std::from_chars(text.data(), end, first.value);
  if (parsed.ec != std::errc{} || parsed.ptr == end || *parsed.ptr != '\n') return std::nullopt;
  parsed = std::from_chars(parsed.ptr + 1, end, second.value);
  if (parsed.ec != std::errc{} || parsed.ptr == end || *parsed.ptr != '\n') return std::nullopt;
  return std::pair(first, second);
}

Error below_recovery_point(const Error& why, Offset recovery_point) {
  return Error::storage(
      Errc::damaged, std::string(why.message()) + "; it lies below the recovery point " +
                         std::to_string(recovery_point.value) +
                         ", so acknowledged records are affected: restore the file from a copy, or "
                         "delete the topic");
}

}  // namespace

Result<PartitionLog::Opened> PartitionLog::open(Disk& disk, std::string directory, LogConfig config,
                                                bool was_clean) {
  if (auto made = disk.make_directories(directory); !made) return fail(made.error());
  std::unique_ptr<PartitionLog> log(new PartitionLog(disk, std::move(directory), config));
  auto report = log->recover(was_clean);
  if (!report) return fail(report.error().within("partition " + log->directory_));
  return Opened{std::move(log), *std::move(report)};
}

Result<RecoveryReport> PartitionLog::recover(bool was_clean) {
  if (auto loaded = load_offsets(); !loaded) return fail(loaded.error());
  auto entries = disk_->list(directory_);
  if (!entries) return fail(entries.error());
  std::vector<Offset> bases;
  for (const DirectoryEntry& entry : *entries) {
    if (const auto base = offset_of_file(entry.name)) bases.push_back(*base);
  }
  std::ranges::sort(bases);
  if (bases.empty()) bases.push_back(log_start_);
  end_ = bases.front();
  RecoveryReport report;
  for (std::size_t i = 0; i < bases.size(); ++i) {
    const bool is_new = !disk_->exists(directory_ + "/" + Segment::file_name(bases[i], log_suffix));
    auto segment = is_new ? Segment::create(*disk_, directory_, bases[i])
                          : Segment::open(*disk_, directory_, bases[i]);
    if (!segment) return fail(segment.error());
    // A roll leaves no gap but one that compaction or a cut explains; going back is damage.
    if (bases[i] < end_) {
      return fail(Error::storage(Errc::damaged, segment->file()->path() + " begins at offset " +
                                                    std::to_string(bases[i].value) +
                                                    ", before the end of the segment before it"));
    }
    end_ = bases[i];
    segments_.push_back(*std::move(segment));
    auto walked = walk(i, !was_clean);
    if (!walked) return fail(walked.error());
    if (*walked) {
      report = **walked;
      if (i + 1 == bases.size()) break;
      // Segments behind a torn one hold nothing that was acknowledged, yet they are not ours to
      // drop in silence.
      return fail(Error::storage(
          Errc::damaged, segments_.back().file()->path() + " is damaged, and segments follow it"));
    }
  }
  log_start_ = std::max(log_start_, segments_.front().base_offset());
  end_ = std::max(end_, log_start_);
  first_dirty_ = segments_.size() - 1;
  // What recovery read may have come from the page cache of a process that died.
  if (!was_clean) {
    for (const Segment& segment : segments_) {
      if (auto synced = disk_->sync_now(*segment.synced_file()); !synced) {
        return fail(synced.error());
      }
    }
    if (auto synced = disk_->sync_directory(directory_); !synced) return fail(synced.error());
  }
  synced_end_ = end_;
  if (auto written = write_recovery_point(); !written) return fail(written.error());
  return report;
}

// Follows the batches of a segment and feeds the producers. Returns a report if it had to cut.
Result<std::optional<RecoveryReport>> PartitionLog::walk(std::size_t index, bool check_crc) {
  const Segment& segment = segments_[index];
  for (std::uint64_t position = 0; position < segment.size();) {
    auto batch = segment.at(position);
    std::optional<Error> fault;
    if (!batch) {
      fault = batch.error();
    } else if ((*batch)->header.base_offset < end_) {
      fault = Error::storage(Errc::damaged, segment.file()->path() + " at byte " +
                                                std::to_string(position) + ": an offset goes back");
    } else if (check_crc) {
      auto bytes = segment.load(**batch);
      if (!bytes) return fail(bytes.error());
      if (!wire::batch_crc_matches(bytes->bytes())) {
        fault = Error::storage(Errc::damaged, segment.file()->path() + " at byte " +
                                                  std::to_string(position) +
                                                  ": the CRC of a batch does not match");
      }
    }
    if (fault) {
      if (end_ < recovery_point_) return fail(below_recovery_point(*fault, recovery_point_));
      auto report = cut(index, position, *fault);
      if (!report) return fail(report.error());
      return *report;
    }
    producers_.stored((*batch)->header);
    end_ = (*batch)->header.next_offset();
    position += (*batch)->header.size();
  }
  return std::nullopt;
}

Result<RecoveryReport> PartitionLog::cut(std::size_t index, std::uint64_t position,
                                         const Error& why) {
  Segment& segment = segments_[index];
  RecoveryReport report{end_, end_, segment.size() - position, {}};
  // The last offset that the lost bytes name, as far as their headers can be read.
  for (std::uint64_t at = position; at < segment.size();) {
    const auto batch = segment.at(at);
    if (!batch || !*batch) break;
    report.cut_to = (*batch)->header.next_offset();
    at += (*batch)->header.size();
  }
  report.kept_in = directory_ + "/" + Segment::file_name(end_, ".cut");
  std::vector<std::byte> lost(report.cut_bytes);
  auto got = segment.file()->read(position, lost);
  if (!got) return fail(got.error().within(why.message()));
  auto kept = disk_->open(report.kept_in, OpenMode::truncate);
  if (!kept) return fail(kept.error());
  const Bytes piece(lost.data(), *got);
  if (auto written = (*kept)->write(0, {&piece, 1}); !written) return fail(written.error());
  if (auto synced = disk_->sync_now(**kept); !synced) return fail(synced.error());
  if (auto truncated = segment.truncate(position); !truncated) return fail(truncated.error());
  return report;
}

Result<void> PartitionLog::load_offsets() {
  auto text = read_checkpoint(*disk_, directory_, offsets_file);
  if (!text) {
    if (text.error().is(Errc::not_found)) return {};
    return fail(text.error());
  }
  const auto offsets = parse_offsets(*text);
  if (!offsets || offsets->second > offsets->first) {
    return fail(Error::storage(Errc::damaged, directory_ + "/" + std::string(offsets_file) +
                                                  " does not hold two offsets"));
  }
  recovery_point_ = offsets->first;
  log_start_ = offsets->second;
  return {};
}

Result<void> PartitionLog::write_offsets() {
  return write_checkpoint(
      *disk_, directory_, offsets_file,
      std::to_string(recovery_point_.value) + "\n" + std::to_string(log_start_.value) + "\n");
}

std::uint64_t PartitionLog::size_bytes() const {
  std::uint64_t bytes = 0;
  for (const Segment& segment : segments_) bytes += segment.size();
  return bytes;
}

Result<Appended> PartitionLog::append(const Slice& batch, const wire::BatchHeader& header,
                                      LeaderEpoch leader_epoch, Now now) {
  if (offline_) return fail(*offline_);
  if (batch.size() > config_.message_bytes_max) {
    return fail(Error::broker(broker_error::message_too_large,
                              "a batch of " + std::to_string(batch.size()) +
                                  " bytes; max.message.bytes is " +
                                  std::to_string(config_.message_bytes_max)));
  }
  const auto verdict = producers_.judge(header);
  if (const auto* refused = std::get_if<ProducerState::Refuse>(&verdict)) {
    return fail(Error::broker(refused->code, "sequence " + std::to_string(header.base_sequence) +
                                                 " of producer " +
                                                 std::to_string(header.producer_id.value)));
  }
  if (const auto* duplicate = std::get_if<ProducerState::Duplicate>(&verdict)) {
    return Appended{duplicate->base_offset, duplicate->base_offset + header.last_offset_delta,
                    duplicate->append_time, true};
  }
  if (auto rolled = roll_for(header, batch.size(), now); !rolled) return fail(rolled.error());

  wire::BatchHeader stamped = header;
  stamped.base_offset = end_;
  stamped.leader_epoch = leader_epoch;
  Result<void> written;
  if (config_.timestamp_type == TimestampType::log_append_time) {
    // The stamp changes the CRC, so the whole batch is copied; under create_time only the header
    // is.
    const Slice copy = Slice::made(batch.size(), [&](std::span<std::byte> to) {
      std::memcpy(to.data(), batch.data(), batch.size());
      wire::stamp_batch(to, end_, leader_epoch);
      wire::stamp_log_append_time(to, now.wall);
    });
    stamped = *wire::read_batch_header(copy.bytes());
    const Bytes piece = copy.bytes();
    written = segments_.back().append({&piece, 1}, stamped);
  } else {
    std::array<std::byte, wire::batch_header_bytes> head;
    std::memcpy(head.data(), batch.data(), head.size());
    wire::stamp_batch(head, end_, leader_epoch);
    const std::array<Bytes, 2> pieces{Bytes(head), batch.bytes().subspan(head.size())};
    written = segments_.back().append(pieces, stamped);
  }
  if (!written) return fail(written.error());
  if (active_since_.is_none()) active_since_ = now.wall;
  producers_.stored(stamped);
  end_ = stamped.next_offset();
  return Appended{stamped.base_offset, stamped.last_offset(),
                  stamped.is_log_append_time() ? stamped.max_timestamp : Timestamp{}};
}

Result<void> PartitionLog::roll_for(const wire::BatchHeader& header, std::size_t bytes, Now now) {
  const Segment& active = segments_.back();
  if (active.size() == 0) return {};
  const bool is_full = active.size() + bytes > static_cast<std::uint64_t>(config_.segment_bytes);
  const bool is_old = !active_since_.is_none() &&
                      now.wall.value - active_since_.value > config_.segment_age_max.count();
  const bool is_far =
      end_ + header.last_offset_delta - active.base_offset() > INT32_MAX;  // of index entries
  if (!is_full && !is_old && !is_far) return {};
  auto segment = Segment::create(*disk_, directory_, end_);
  if (!segment) return fail(segment.error());
  if (auto synced = disk_->sync_directory(directory_); !synced) return synced;
  segments_.push_back(*std::move(segment));
  active_since_ = Timestamp{};
  return {};
}

std::size_t PartitionLog::segment_of(Offset offset) const {
  const auto after = std::upper_bound(
      segments_.begin(), segments_.end(), offset,
      [](Offset wanted, const Segment& segment) { return wanted < segment.base_offset(); });
  return after == segments_.begin() ? 0 : static_cast<std::size_t>(after - segments_.begin()) - 1;
}

Result<Chain> PartitionLog::read(Offset offset, Offset limit, std::size_t bytes_max,
                                 bool at_least_one) const {
  if (offline_) return fail(*offline_);
  if (offset < log_start_ || offset > end_) {
    return fail(Error::broker(broker_error::offset_out_of_range,
                              "offset " + std::to_string(offset.value) + " is not in " +
                                  std::to_string(log_start_.value) + " to " +
                                  std::to_string(end_.value)));
  }
  Chain out;
  for (std::size_t i = segment_of(offset); i < segments_.size() && offset < limit; ++i) {
    const Segment& segment = segments_[i];
    auto first = segment.find(offset);
    if (!first) return fail(first.error());
    if (!*first) continue;
    std::uint64_t end = (*first)->position;
    for (auto batch = *first; batch && batch->header.last_offset() < limit;) {
      const std::size_t size = out.size() + (end - (*first)->position) + batch->header.size();
      const bool is_first = out.empty() && end == (*first)->position;
      if (size > bytes_max && !(is_first && at_least_one)) break;
      end += batch->header.size();
      offset = batch->header.next_offset();
      auto next = segment.at(end);
      if (!next) return fail(next.error());
      batch = *next;
    }
    out.append(FileRange{segment.file(), (*first)->position,
                         static_cast<std::size_t>(end - (*first)->position)});
    if (end < segment.size()) break;
  }
  return out;
}

Result<std::optional<PartitionLog::OffsetAndTime>> PartitionLog::offset_for(Timestamp time) const {
  for (const Segment& segment : segments_) {
    auto batch = segment.find(time);
    if (!batch) return fail(batch.error());
    if (!*batch) continue;
    auto bytes = segment.load(**batch);
    if (!bytes) return fail(bytes.error());
    auto reader = wire::BatchReader::open(*bytes);
    if (!reader) return fail(reader.error());
    for (RecordView record; reader->next(record);) {
      if (record.timestamp >= time && record.offset >= log_start_) {
        return OffsetAndTime{record.offset, record.timestamp};
      }
    }
    if (const Error* fault = reader->fault()) return fail(*fault);
  }
  return std::nullopt;
}

Result<std::optional<PartitionLog::OffsetAndTime>> PartitionLog::max_timestamp() const {
  Timestamp latest;
  for (const Segment& segment : segments_) latest = std::max(latest, segment.max_timestamp());
  if (latest.is_none()) return std::nullopt;
  return offset_for(latest);
}

std::vector<std::shared_ptr<File>> PartitionLog::dirty_files() const {
  std::vector<std::shared_ptr<File>> files;
  for (std::size_t i = first_dirty_; i < segments_.size(); ++i) {
    files.push_back(segments_[i].synced_file());
  }
  return files;
}

void PartitionLog::synced(Offset covered) {
  synced_end_ = std::max(synced_end_, covered);
  first_dirty_ = segment_of(synced_end_);
}

Result<void> PartitionLog::write_recovery_point() {
  recovery_point_ = synced_end_;
  return write_offsets();
}

Result<std::size_t> PartitionLog::retain(Now now) {
  if (offline_) return fail(*offline_);
  // The active segment goes only once it is old as a whole, and a new one has taken its place.
  const auto is_expired = [&](const Segment& segment) {
    return config_.retention_ms >= 0 && segment.size() > 0 &&
           now.wall.value - segment.max_timestamp().value > config_.retention_ms;
  };
  if (is_expired(segments_.back()) && synced_end_ == end_) {
    auto fresh = Segment::create(*disk_, directory_, end_);
    if (!fresh) return fail(fresh.error());
    if (auto synced = disk_->sync_directory(directory_); !synced) return fail(synced.error());
    segments_.push_back(*std::move(fresh));
    active_since_ = Timestamp{};
  }
  std::uint64_t bytes = size_bytes();
  std::size_t count = 0;
  while (count + 1 < segments_.size()) {
    const Segment& oldest = segments_[count];
    // Only what is synced: the log's start never overtakes the recovery point.
    if (segments_[count + 1].base_offset() > synced_end_) break;
    const bool is_too_much =
        config_.retention_bytes >= 0 &&
        bytes - oldest.size() >= static_cast<std::uint64_t>(config_.retention_bytes);
    if (!is_expired(oldest) && !is_too_much) break;
    bytes -= oldest.size();
    ++count;
  }
  if (count == 0) return 0;
  if (auto dropped = drop_first_segments(count); !dropped) return fail(dropped.error());
  return count;
}

Result<void> PartitionLog::set_log_start(Offset offset) {
  if (offset < log_start_ || offset > synced_end_) {
    return fail(Error::broker(broker_error::offset_out_of_range,
                              "a log start of " + std::to_string(offset.value)));
  }
  log_start_ = offset;
  std::size_t count = 0;
  while (count + 1 < segments_.size() && segments_[count + 1].base_offset() <= offset) ++count;
  if (count == 0) return write_recovery_point();
  return drop_first_segments(count);
}

// The new start is durable before the first file goes, so that a crash between them leaves files
// that the next start knows to be below it.
Result<void> PartitionLog::drop_first_segments(std::size_t count) {
  log_start_ = std::max(log_start_, segments_[count].base_offset());
  if (auto written = write_recovery_point(); !written) return written;
  for (; count > 0; --count) {
    if (auto removed = segments_.front().remove(*disk_); !removed) return removed;
    segments_.pop_front();
    if (first_dirty_ > 0) --first_dirty_;
  }
  return disk_->sync_directory(directory_);
}

}  // namespace dohle::log
