#include <algorithm>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "base/units.hpp"
#include "log/partition_log.hpp"

namespace dohle::log {

namespace {

/// Bytes that one job checks for a waiting fetch.
constexpr std::size_t awaited_check_bytes = 64_MiB;

struct Checked {
  Result<void> outcome;
  std::uint64_t reached;
  Offset next;
  /// CRC of the last batch that was walked.
  std::optional<std::uint32_t> last_crc = {};
};

Checked check_bytes(const File& file, const Segment::Unchecked& what, std::uint64_t until) {
  BatchWalk walk(file, what.from, what.to, 0);
  Offset next = what.next;
  std::optional<std::uint32_t> last_crc;
  while (walk.position() < until) {
    auto batch = walk.next();
    if (!batch) return {fail(batch.error()), walk.position(), next};
    if (!*batch) break;
    const wire::BatchHeader& header = (*batch)->header;
    if (header.base_offset != next) {
      return {fail(Error::storage(Errc::damaged, file.path() + " at byte " +
                                                     std::to_string((*batch)->position) +
                                                     ": a batch begins at offset " +
                                                     std::to_string(header.base_offset.value) +
                                                     " and not at " + std::to_string(next.value))),
              (*batch)->position, next};
    }
    next = header.next_offset();
    last_crc = header.crc;
  }
  return {{}, walk.position(), next, last_crc};
}

// If a clean stop left another last batch, the file has been changed or replaced.
Result<void> check_last_crc(const Segment& segment, const std::optional<std::uint32_t>& found) {
  const auto expected = segment.expected_last_crc();
  const bool is_appended_to = segment.unchecked().to < segment.size();
  if (!expected || !found || *found == *expected || is_appended_to) return {};
  return fail(Error::storage(Errc::damaged,
                             segment.path() + " ends in another batch than the last stop left"));
}

}  // namespace

struct PartitionLog::Range {
  std::size_t index = 0;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  Offset next;
  bool is_unchecked = false;
};

void PartitionLog::remember(const Mark& mark) const {
  for (Mark& known : fetch_marks_) {
    if (known.base == mark.base && known.position == mark.position) return;
  }
  fetch_marks_[next_fetch_mark_] = mark;
  next_fetch_mark_ = (next_fetch_mark_ + 1) % fetch_marks_.size();
}

// Position of the batch that holds `offset`; the segment's size if that batch lies after it.
Result<std::uint64_t> PartitionLog::position_of(std::size_t index, Offset offset) const {
  Segment& segment = *segments_[index];
  if (offset <= segment.base_offset()) return 0;
  if (offset >= end_of(index)) return segment.size();
  if (synced_mark_.base == segment.base_offset() && synced_mark_.offset == offset) {
    return synced_mark_.position;
  }
  for (const Mark& mark : fetch_marks_) {
    if (mark.base == segment.base_offset() && mark.offset == offset) return mark.position;
  }
  auto batch = segment.find(offset);
  if (!batch) return fail(batch.error());
  return *batch ? (*batch)->position : segment.size();
}

Result<PartitionLog::Range> PartitionLog::range_from(Offset offset, Offset limit,
                                                     std::size_t max_bytes,
                                                     bool at_least_one) const {
  Range range;
  range.index = segment_of(offset);
  range.next = offset;
  auto from = position_of(range.index, offset);
  if (!from) return fail(from.error());
  // The offset may lie in an accepted gap, or in a segment that does not reach the next one. The
  // check tells which.
  const bool is_behind = *from == segments_[range.index]->size() &&
                         segments_[range.index]->unchecked().bytes() == 0 &&
                         range.index + 1 < segments_.size() && !gaps_.empty();
  if (is_behind) {
    ++range.index;
    *from = 0;
  }
  Segment& segment = *segments_[range.index];
  range.from = range.to = *from;
  auto most = position_of(range.index, limit);
  if (!most) return fail(most.error());
  if (*most <= *from) {
    // Impossible in an undamaged segment; an unchecked one may be damaged.
    range.is_unchecked = segment.unchecked().bytes() > 0;
    return range;
  }
  const std::uint64_t checked = segment.checked_until(*from);
  range.is_unchecked = checked == *from;
  if (range.is_unchecked) return range;
  *most = std::min(*most, checked);
  range.to = *most;
  if (*most - *from > max_bytes) {
    auto end = segment.boundary(*from, *from + max_bytes);
    if (!end) return fail(end.error());
    range.to = *end;
    if (*end == *from && at_least_one) {
      auto first = segment.at(*from);
      if (!first) return fail(first.error());
      range.to = *from + (*first)->header.size();
    }
  }
  if (range.to == *from) return range;
  if (range.to == segment.size()) {
    range.next = end_of(range.index);
  } else if (range.to == synced_mark_.position && synced_mark_.base == segment.base_offset()) {
    range.next = synced_mark_.offset;
  } else {
    auto behind = segment.at(range.to);
    if (!behind) return fail(behind.error());
    range.next = (*behind)->header.base_offset;
  }
  DOHLE_ASSERT(range.to > range.from && range.to <= segment.size(),
               "a range that is given out lies outside of its segment");
  remember({range.next, segment.base_offset(), range.to});
  return range;
}

Result<FetchedBatches> PartitionLog::fetch(Offset offset, Offset limit, std::size_t max_bytes,
                                           bool at_least_one, const StoredBatch* newest) const {
  if (offline_) return fail(*offline_);
  if (offset < log_start_ || offset > end_) {
    return fail(Error::broker(broker_error::offset_out_of_range, directory_,
                              "offset " + std::to_string(offset.value) + " lies outside of " +
                                  std::to_string(log_start_.value) + " to " +
                                  std::to_string(end_.value)));
  }
  FetchedBatches fetched{{}, offset, false};
  limit = std::min(limit, end_);
  if (offset >= limit) return fetched;
  const bool is_newest = newest != nullptr && newest->from == offset && newest->to == end_ &&
                         limit == end_ && (at_least_one || newest->bytes.size() <= max_bytes);
  if (is_newest) {
    remember({end_, active().base_offset(), active().size()});
    fetched.bytes.append(newest->bytes);
    fetched.next = end_;
    return fetched;
  }
  auto range = range_from(offset, limit, max_bytes, at_least_one);
  if (!range) return fetch_failed(offset, range.error());
  Segment& segment = *segments_[range->index];
  const bool has_room = range->to > range->from || range->is_unchecked;
  if (!has_room && (at_least_one || range->from >= segment.size())) {
    return fetch_damaged(
        range->index, offset,
        segment.path() + " holds no batch of offset " + std::to_string(offset.value));
  }
  if (range->is_unchecked) {
    fetched.is_being_checked = is_check_awaited_ = true;
    if (!is_checking_) start_check(segment, awaited_check_bytes, nullptr);
    return fetched;
  }
  auto file = segment.file();
  if (!file) return fail(file.error());
  fetched.bytes.append(FileRange{*std::move(file), range->from, range->to - range->from});
  fetched.next = range->next;
  return fetched;
}

// A fetch whose segment has lost its indexes waits until a disk thread has rebuilt them.
Result<FetchedBatches> PartitionLog::fetch_failed(Offset offset, const Error& why) const {
  Error error = why;
  if (Segment* const lost = without_indexes(offset)) {
    const bool was_awaited = std::exchange(is_check_awaited_, true);
    const auto begun = make_indexes(*lost);
    if (begun) return FetchedBatches{{}, offset, true};
    is_check_awaited_ = was_awaited;
    error = begun.error();
  }
  if (!error.is(Errc::damaged)) return fail(error);
  return fetch_damaged(segment_of(offset), offset, error.message());
}

// `offset` lies below the end of the log but is not found. If the segment is unchecked, its check
// finds the damage.
Result<FetchedBatches> PartitionLog::fetch_damaged(std::size_t index, Offset offset,
                                                   std::string_view why) const {
  if (segments_[index]->unchecked().bytes() > 0) {
    FetchedBatches fetched{{}, offset, true};
    is_check_awaited_ = true;
    if (!is_checking_) start_check(*segments_[index], awaited_check_bytes, nullptr);
    return fetched;
  }
  const Error damage = refusal(offset, why);
  (*self_)->go_offline(damage);
  return fail(damage);
}

Result<Chain> PartitionLog::read(Offset offset, Offset limit, std::size_t max_bytes,
                                 bool at_least_one) const {
  Chain bytes;
  for (;;) {
    const std::size_t left = max_bytes - std::min(max_bytes, bytes.size());
    auto fetched = fetch(offset, limit, left, at_least_one && bytes.empty());
    if (!fetched) return fail(fetched.error());
    if (fetched->is_being_checked) {
      if (Segment* const lost = without_indexes(offset)) {
        if (auto made = make_indexes_in_place(*lost); !made) return fail(made.error());
        continue;
      }
      // For an offset in a gap it is a later segment.
      std::size_t index = segment_of(offset);
      while (segments_[index]->unchecked().bytes() == 0 && index + 1 < segments_.size()) ++index;
      if (auto done = check_in_place(*segments_[index]); !done) return fail(done.error());
      continue;
    }
    const bool goes_on = fetched->next > offset;
    offset = fetched->next;
    bytes.append(std::move(fetched->bytes));
    if (!goes_on) return bytes;
  }
}

// Times and epochs.

Result<std::unique_ptr<TimeSearch>> PartitionLog::search(TimeSearch::Wanted wanted) const {
  if (offline_) return fail(*offline_);
  return std::make_unique<TimeSearch>(files_beside(), log_start_, wanted);
}

Result<std::optional<OffsetAndTime>> PartitionLog::offset_for(Timestamp time) const {
  auto begun = search(time);
  if (!begun) return fail(begun.error());
  (*begun)->run();
  return (*begun)->found();
}

Result<std::optional<OffsetAndTime>> PartitionLog::max_timestamp() const {
  auto begun = search(std::nullopt);
  if (!begun) return fail(begun.error());
  (*begun)->run();
  return (*begun)->found();
}

Result<PartitionLog::EpochEnd> PartitionLog::epoch_end(LeaderEpoch wanted) const {
  if (offline_) return fail(*offline_);
  if (auto known = know_epochs(); !known) return fail(known.error());
  const auto found = epochs_->end_of(wanted, end_);
  return EpochEnd{found.epoch, found.offset};
}

Result<LeaderEpoch> PartitionLog::latest_epoch() const {
  if (auto known = know_epochs(); !known) return fail(known.error());
  return epochs_->latest();
}

// Checks.

struct PartitionLog::CheckPiece {
  std::shared_ptr<File> file;
  Offset base;
  Segment::Unchecked what;
  std::uint64_t until = 0;
  Checked result{{}, 0, {}};
};

std::uint64_t PartitionLog::unchecked_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& segment : segments_) bytes += segment->unchecked().bytes();
  return bytes;
}

bool PartitionLog::check_next(std::size_t max_bytes, Task done) {
  if (offline_ || is_checking_) return false;
  for (const auto& segment : segments_) {
    if (segment->unchecked().bytes() == 0) continue;
    start_check(*segment, max_bytes, std::move(done));
    return true;
  }
  return false;
}

void PartitionLog::start_check(Segment& segment, std::size_t max_bytes, Task done) const {
  DOHLE_ASSERT(!is_checking_, "two checks of one log at a time");
  DOHLE_ASSERT(segment.unchecked().bytes() > 0, "a check of bytes that have been checked");
  auto piece = std::make_shared<CheckPiece>();
  piece->base = segment.base_offset();
  piece->what = segment.unchecked();
  piece->until = std::min<std::uint64_t>(piece->what.to, piece->what.from + max_bytes);
  auto file = segment.file();
  if (file) {
    piece->file = *std::move(file);
  } else {
    piece->result.outcome = fail(file.error());
  }
  is_checking_ = true;
  disk_->run(
      [piece] {
        if (piece->file) piece->result = check_bytes(*piece->file, piece->what, piece->until);
      },
      [self = std::weak_ptr(self_), piece, done = std::move(done)]() mutable {
        const auto log = self.lock();
        if (!log) return;
        (*log)->checked(*piece);
        if (done) done();
      });
}

void PartitionLog::checked(const CheckPiece& piece) {
  DOHLE_ASSERT(is_checking_, "a check ends that was not started");
  is_checking_ = false;
  const auto segment = std::ranges::find_if(
      segments_, [&](const auto& s) { return s->base_offset() == piece.base; });
  if (segment != segments_.end()) {
    const auto index = static_cast<std::size_t>(segment - segments_.begin());
    Result<void> outcome = piece.result.outcome;
    const bool is_through = outcome && piece.result.reached >= piece.what.to;
    if (is_through) outcome = check_end_of(index, piece.result.next);
    if (is_through && outcome) outcome = check_last_crc(**segment, piece.result.last_crc);
    if (outcome) {
      (*segment)->set_unchecked({piece.result.reached, piece.what.to, piece.result.next});
    } else if (outcome.error().is(Errc::damaged)) {
      go_offline(refusal(piece.result.next, outcome.error().message()));
    } else {
      go_offline(outcome.error());
    }
  }
  if (std::exchange(is_check_awaited_, false) && options_.events != nullptr) {
    options_.events->on_checked(*this);
  }
}

// The batches that existed at the start have to end where the next segment begins; an accepted gap
// may lie between the two. In the last segment they end where the later appends begin.
Result<void> PartitionLog::check_end_of(std::size_t index, Offset reached) const {
  if (index + 1 >= segments_.size()) return {};
  const Segment& segment = *segments_[index];
  // Appended to since the start; the append checked these batches.
  if (segment.unchecked().to < segment.size()) return {};
  const Offset next = segments_[index + 1]->base_offset();
  if (reached == next || gaps_.behind(reached) == next) return {};
  return fail(Error::storage(Errc::damaged,
                             segment.path() + " ends at offset " + std::to_string(reached.value) +
                                 ", and the next segment begins at " + std::to_string(next.value)));
}

Result<void> PartitionLog::check_in_place(Segment& segment) const {
  auto file = segment.file();
  if (!file) return fail(file.error());
  const auto result = check_bytes(**file, segment.unchecked(), segment.unchecked().to);
  auto outcome = result.outcome;
  if (outcome) outcome = check_end_of(segment_of(segment.base_offset()), result.next);
  if (outcome) outcome = check_last_crc(segment, result.last_crc);
  if (!outcome && outcome.error().is(Errc::damaged)) {
    return fail(refusal(result.next, outcome.error().message()));
  }
  if (!outcome) return outcome;
  segment.set_unchecked({segment.unchecked().to, segment.unchecked().to, result.next});
  return {};
}

}  // namespace dohle::log
