#include <algorithm>
#include <array>

#include "base/units.hpp"
#include "log/checkpoint.hpp"
#include "log/partition_log.hpp"

// Accepts losses: puts the damaged bytes aside and continues the log after a gap.

namespace dohle::log {

namespace {

constexpr std::size_t copied_at_once = 1_MiB;

/// The batches at the start of a segment that follow one another and whose CRCs match.
struct GoodBatches {
  /// Offset after the last of them.
  Offset end;
  /// Position of the first bad batch; absent if all are good.
  std::optional<std::uint64_t> damaged_at;
};

Result<GoodBatches> good_batches(Segment& segment) {
  auto file = segment.file();
  if (!file) return fail(file.error());
  GoodBatches good{segment.base_offset(), std::nullopt};
  BatchWalk walk(**file, 0, segment.size(), 0);
  for (;;) {
    const std::uint64_t position = walk.position();
    auto batch = walk.next();
    if (!batch && !batch.error().is(Errc::damaged)) return fail(batch.error());
    if (batch && !*batch) return good;
    if (!batch || (*batch)->header.base_offset != good.end) {
      good.damaged_at = position;
      return good;
    }
    good.end = (*batch)->header.next_offset();
  }
}

}  // namespace

/// Damage in a log: the bytes [from, to) of a segment, and the offsets from `at` to `goes_on`.
struct PartitionLog::Damage {
  Offset at;
  /// Index of the segment; absent if whole segments are missing.
  std::optional<std::size_t> index;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  /// The log continues here; none if no batch follows.
  Offset goes_on;
};

Result<void> PartitionLog::accept_losses(RecoveryReport& report) {
  std::ranges::sort(options_.accepted_losses);
  for (const Offset accepted : options_.accepted_losses) {
    auto damage = find_damage(accepted);
    if (!damage) return fail(damage.error());
    if (!*damage || (*damage)->at != accepted) {
      // The option may remain set for later starts.
      if (gaps_.behind(accepted) != accepted) continue;
      report.unfounded.push_back(
          "there is no damage at offset " + std::to_string(accepted.value) + " of partition " +
          directory_ +
          (*damage ? " but at offset " + std::to_string((*damage)->at.value) : std::string()) +
          "; nothing was given up");
      continue;
    }
    if (auto done = put_aside(**damage, report); !done) return done;
  }
  return {};
}

// The first damage at or after `from`, found by CRC.
Result<std::optional<PartitionLog::Damage>> PartitionLog::find_damage(Offset from) {
  if (segments_.empty()) {
    if (acknowledged() <= log_start_) return std::nullopt;
    return Damage{log_start_, std::nullopt, 0, 0, {}};
  }
  if (segments_.front()->base_offset() > log_start_ && from <= log_start_) {
    return Damage{log_start_, std::nullopt, 0, 0, segments_.front()->base_offset()};
  }
  std::size_t index = segment_of(from);
  // A missing segment shows as a gap after the one before it.
  if (index > 0 && segments_[index]->base_offset() == from) --index;
  for (; index < segments_.size(); ++index) {
    auto good = good_batches(*segments_[index]);
    if (!good) return fail(good.error());
    if (good->damaged_at) {
      auto damage = damage_in(index, *good->damaged_at, good->end);
      if (!damage) return fail(damage.error());
      return std::optional(*damage);
    }
    const bool is_last = index + 1 == segments_.size();
    const Offset follows =
        is_last ? std::max(good->end, acknowledged()) : segments_[index + 1]->base_offset();
    if (gaps_.behind(good->end) < follows) {
      return Damage{good->end, std::nullopt, 0, 0, is_last ? Offset{} : follows};
    }
  }
  return std::nullopt;
}

Result<PartitionLog::Damage> PartitionLog::damage_in(std::size_t index, std::uint64_t position,
                                                     Offset at) {
  Segment& segment = *segments_[index];
  auto file = segment.file();
  if (!file) return fail(file.error());
  auto to = next_whole_batch(**file, position, segment.size(), at);
  if (!to) return fail(to.error());
  Damage damage{at, index, position, *to, {}};
  if (*to < segment.size()) {
    auto batch = segment.at(*to);
    if (!batch) return fail(batch.error());
    damage.goes_on = (*batch)->header.base_offset;
  } else if (index + 1 < segments_.size()) {
    damage.goes_on = segments_[index + 1]->base_offset();
  }
  return damage;
}

// Copies the damaged bytes before they are cut. The state file is written last, when all files are
// in place.
Result<void> PartitionLog::put_aside(const Damage& damage, RecoveryReport& report) {
  std::string line = "--accept-loss: offset " + std::to_string(damage.at.value) +
                     " on of partition " + directory_ + " is given up";
  if (damage.index) {
    Segment& segment = *segments_[*damage.index];
    auto kept = copy_range(
        segment, damage.from, damage.to,
        Segment::file_name(segment.base_offset(), ".lost-" + std::to_string(damage.at.value)));
    if (!kept) return fail(kept.error());
    line += "; its bytes are kept in " + *kept;
  }
  if (auto gone_on = go_on_behind(damage); !gone_on) return gone_on;
  report.accepted.push_back(line + "; the log goes on at offset " +
                            std::to_string(std::max(gaps_.behind(damage.at), log_start_).value));
  return {};
}

Result<void> PartitionLog::go_on_behind(const Damage& damage) {
  Offset goes_on = damage.goes_on;
  const bool is_at_end = goes_on.is_none();
  if (is_at_end) goes_on = std::max(damage.at, acknowledged());
  if (damage.at < goes_on) gaps_.add(damage.at, goes_on);
  if (auto written = write_gaps(); !written) return written;
  // A batch that follows in the same file begins a new segment.
  if (damage.index) {
    if (auto done = split(*segments_[*damage.index], damage); !done) return done;
  }
  const bool is_empty = damage.index && damage.from == 0;
  if (is_empty) {
    segments_.erase(segments_.begin() + static_cast<std::ptrdiff_t>(*damage.index));
  }
  const bool has_next = std::ranges::any_of(
      segments_, [&](const auto& segment) { return segment->base_offset() == goes_on; });
  if (!has_next && (goes_on > damage.at || segments_.empty())) {
    auto next = make_segment(goes_on);
    if (!disk_->exists(next->path())) {
      if (auto created = next->create(); !created) return created;
    }
    auto file = next->file();
    if (!file) return fail(file.error());
    next->adopt((*file)->size());
    segments_.push_back(std::move(next));
    std::ranges::sort(segments_, {}, [](const auto& segment) { return segment->base_offset(); });
  }
  log_start_ = std::max(log_start_, std::min(goes_on, segments_.front()->base_offset()));
  LogState state = durable_state_.value_or(LogState());
  state.log_start = log_start_;
  state.active_base = active().base_offset();
  if (std::max(recovery_point_, state.recovery_point) > damage.at) {
    // The batches after the damage are walked, and have to exist.
    options_.last.noted_end = std::max(acknowledged(), state.recovery_point);
    recovery_point_ = std::max(damage.at, log_start_);
    const Segment& point = *segments_[segment_of(recovery_point_)];
    state.recovery_point = recovery_point_;
    state.point_base = point.base_offset();
    state.point_position = point.base_offset() < recovery_point_ ? point.size() : 0;
  }
  options_.last.noted_end = acknowledged();
  options_.last.marked.reset();
  if (auto made = state_file_.make(); !made) return made;
  auto file = state_file_.write(state);
  if (!file) return fail(file.error());
  if (auto synced = disk_->sync_now(**file); !synced) return synced;
  state_file_.settle();
  durable_state_ = state;
  return disk_->sync_directory(directory_);
}

// Cuts the segment before the damage. The batches after it become a segment.
Result<void> PartitionLog::split(Segment& segment, const Damage& damage) {
  if (damage.to < segment.size()) {
    auto copied =
        copy_range(segment, damage.to, segment.size(), Segment::file_name(damage.goes_on, ".log"));
    if (!copied) return fail(copied.error());
  }
  for (const std::string_view suffix : {".index", ".timeindex"}) {
    const auto removed =
        disk_->remove(directory_ + "/" + Segment::file_name(segment.base_offset(), suffix));
    if (!removed && !removed.error().is(Errc::not_found)) return removed;
  }
  if (damage.from == 0) return disk_->remove(segment.path());
  if (auto cut = segment.truncate(damage.from); !cut) return cut;
  segment.expect_last_crc({});
  segment.adopt(damage.from);
  auto file = segment.file();
  if (!file) return fail(file.error());
  return disk_->sync_now(**file);
}

// Durable when it returns.
Result<std::string> PartitionLog::copy_range(Segment& segment, std::uint64_t from, std::uint64_t to,
                                             std::string_view name) {
  std::string path = directory_ + "/" + std::string(name);
  auto file = segment.file();
  if (!file) return fail(file.error());
  auto copy = disk_->open(path, OpenMode::truncate);
  if (!copy) return fail(copy.error());
  std::vector<std::byte> bytes(std::min<std::uint64_t>(copied_at_once, to - from));
  for (std::uint64_t at = from; at < to;) {
    auto got =
        (*file)->read(at, std::span(bytes).first(std::min<std::uint64_t>(bytes.size(), to - at)));
    if (!got) return fail(got.error());
    if (*got == 0) break;
    const Bytes piece(bytes.data(), *got);
    if (auto written = (*copy)->write(at - from, {&piece, 1}); !written)
      return fail(written.error());
    at += *got;
  }
  if (auto synced = disk_->sync_now(**copy); !synced) return fail(synced.error());
  if (auto synced = disk_->sync_directory(directory_); !synced) return fail(synced.error());
  return path;
}

Result<void> PartitionLog::write_gaps() {
  if (gaps_.empty()) return {};
  return write_checkpoint(*disk_, directory_, AcceptedGaps::file_name, gaps_.text());
}

}  // namespace dohle::log
