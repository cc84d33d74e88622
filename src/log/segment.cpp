#include "log/segment.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/assert.hpp"
#include "base/units.hpp"

namespace dohle::log {

namespace {

constexpr std::uint64_t extend_min_bytes = 4_KiB;
constexpr std::uint64_t extend_max_bytes = 4_MiB;

std::string path_of(const std::string& directory, Offset base, std::string_view suffix) {
  return directory + "/" + Segment::file_name(base, suffix);
}

Error index_is_wrong(const std::string& path) {
  return Error::storage(Errc::damaged, path + " does not fit its log");
}

/// Walks the batches from the place of an index entry, at most to the place of the next entry.
/// Entries that were only in memory when a process was killed cover 512 KiB.
class IndexedWalk {
 public:
  IndexedWalk(const File& file, std::uint64_t position, std::uint64_t end, std::uint32_t interval)
      : walk_(file, position, end),
        begin_(position),
        max_bytes_(std::max<std::uint64_t>(1_MiB, 2 * std::uint64_t{interval})),
        max_batches_(std::max<std::size_t>(200, interval / wire::batch_header_bytes + 2)) {}

  Result<std::optional<BatchAt>> next() {
    is_over_ = batches_ >= max_batches_ && walk_.position() - begin_ > max_bytes_;
    if (is_over_) return std::nullopt;
    ++batches_;
    return walk_.next();
  }
  /// The last call found no batch because an index entry is missing.
  [[nodiscard]] bool is_over() const { return is_over_; }
  [[nodiscard]] std::uint64_t position() const { return walk_.position(); }

 private:
  BatchWalk walk_;
  const std::uint64_t begin_;
  const std::uint64_t max_bytes_;
  const std::size_t max_batches_;
  std::size_t batches_ = 0;
  bool is_over_ = false;
};

}  // namespace

Segment::Segment(Disk& disk, const std::shared_ptr<FileCache>& cache, const std::string& directory,
                 Offset base_offset, std::uint32_t index_interval_bytes)
    : directory_(directory),
      base_offset_(base_offset),
      index_interval_bytes_(index_interval_bytes),
      log_(disk, cache, path_of(directory, base_offset, ".log")),
      offsets_(disk, cache, path_of(directory, base_offset, ".index")),
      times_(disk, cache, path_of(directory, base_offset, ".timeindex")) {}

std::string Segment::file_name(Offset base_offset, std::string_view suffix) {
  std::array<char, 32> digits;
  std::snprintf(digits.data(), digits.size(), "%020lld", static_cast<long long>(base_offset.value));
  return std::string(digits.data()) + std::string(suffix);
}

void Segment::use_files(const std::shared_ptr<FileCache>& cache) {
  log_.use(cache);
  offsets_.use_files(cache);
  times_.use_files(cache);
}

void Segment::check_invariants() const {
  DOHLE_ASSERT(extended_ == 0 || extended_ >= size_, "a segment is longer than its file");
  DOHLE_ASSERT(unchecked_.from <= unchecked_.to && unchecked_.to <= size_,
               "bytes that are not there are to be checked");
  DOHLE_ASSERT(!is_tail_known_ || last_time_entry_ <= max_timestamp_,
               "the time index is ahead of its segment");
  DOHLE_ASSERT(!is_tail_known_ || bytes_since_entry_ <= size_,
               "the offset index counts bytes that are not there");
}

Result<void> Segment::create() {
  auto made = log_.make();
  if (!made) return fail(made.error());
  size_ = extended_ = 0;
  offsets_.begin();
  times_.begin();
  know_no_entries();
  return {};
}

void Segment::adopt(std::uint64_t size) {
  size_ = size;
  is_tail_known_ = false;
  unchecked_ = {0, size, base_offset_};
}

// Reads the end of the log from the newest index entries.
Result<void> Segment::know_tail() {
  if (is_tail_known_) return {};
  auto offset = offsets_.last();
  auto time = times_.last();
  const bool is_index_bad =
      (!offset && offset.error().is(Errc::damaged)) || (!time && time.error().is(Errc::damaged));
  if (is_index_bad) return lose_indexes();
  if (!offset) return fail(offset.error());
  if (!time) return fail(time.error());
  if (!*time && size_ > 0) return lose_indexes();
  auto position = verified(*offset);
  if (!position) {
    return position.error().is(Errc::damaged) ? lose_indexes() : fail(position.error());
  }
  auto is_true = is_borne_out(*time);
  if (!is_true) return fail(is_true.error());
  if (is_tail_known_) return {};  // rebuilt meanwhile
  auto is_far = is_far_from_end(*position);
  if (!is_far) return fail(is_far.error());
  if (!*is_true || *is_far) return lose_indexes();
  if (*time) {
    max_timestamp_ = last_time_entry_ = Timestamp{(*time)->timestamp};
    max_timestamp_offset_ = base_offset_ + (*time)->relative_offset;
  }
  return index_tail(*position, offset->has_value());
}

// Indexes the batches from `position` on. An entry names the first of them if `has_entry`. Entries
// that were never written leave more than an interval after the last one.
Result<void> Segment::index_tail(std::uint64_t position, bool has_entry) {
  auto file = log_.get();
  if (!file) return fail(file.error());
  bytes_since_entry_ = 0;
  is_tail_known_ = true;
  BatchWalk walk(**file, position, size_);
  if (has_entry) {
    auto named = walk.next();
    if (!named) return fail(named.error());
    note_time((*named)->header);
    bytes_since_entry_ = (*named)->header.size();
  }
  for (;;) {
    auto batch = walk.next();
    if (!batch) {
      is_tail_known_ = false;
      return fail(batch.error());
    }
    if (!*batch) return {};
    index(**batch);
  }
}

// Whether index entries are missing between `position` and the end.
Result<bool> Segment::is_far_from_end(std::uint64_t position) const {
  auto file = log_.get();
  if (!file) return fail(file.error());
  IndexedWalk walk(**file, position, size_, index_interval_bytes_);
  for (;;) {
    auto batch = walk.next();
    if (!batch) return fail(batch.error());
    if (!*batch) return walk.is_over();
  }
}

// Whether the batch that a time entry names has its time.
Result<bool> Segment::is_borne_out(const std::optional<TimeEntry>& entry) {
  if (!entry) return true;
  auto batch = find(base_offset_ + entry->relative_offset);
  if (!batch) return batch.error().is(Errc::damaged) ? Result<bool>(false) : fail(batch.error());
  return *batch && (*batch)->header.max_timestamp.value == entry->timestamp;
}

Result<Timestamp> Segment::max_timestamp() {
  if (auto known = know_tail(); !known) return fail(known.error());
  return max_timestamp_;
}

// Indexes.

Result<void> Segment::begin_indexes() {
  if (auto cleared = offsets_.clear(); !cleared) return cleared;
  if (auto cleared = times_.clear(); !cleared) return cleared;
  know_no_entries();
  return {};
}

void Segment::know_no_entries() {
  bytes_since_entry_ = 0;
  max_timestamp_ = last_time_entry_ = Timestamp{};
  is_tail_known_ = true;
  needs_indexes_ = false;
}

void Segment::note_time(const wire::BatchHeader& header) {
  if (header.max_timestamp <= max_timestamp_) return;
  max_timestamp_ = header.max_timestamp;
  max_timestamp_offset_ = header.last_offset();
}

void Segment::append_time_entry() {
  if (max_timestamp_ <= last_time_entry_) return;
  times_.append(
      {max_timestamp_.value, static_cast<std::int32_t>(max_timestamp_offset_ - base_offset_)});
  last_time_entry_ = max_timestamp_;
}

void Segment::index(const BatchAt& batch) {
  last_crc_ = batch.header.crc;
  note_time(batch.header);
  if (bytes_since_entry_ > index_interval_bytes_) {
    offsets_.append({static_cast<std::int32_t>(batch.header.last_offset() - base_offset_),
                     static_cast<std::int32_t>(batch.position)});
    append_time_entry();
    bytes_since_entry_ = 0;
  }
  bytes_since_entry_ += batch.header.size();
}

Result<void> Segment::end_indexes() {
  auto written = write_indexes();
  if (!written && written.error().is(Errc::disk_full)) return {};
  return written;
}

// An empty log has no index files.
Result<void> Segment::write_indexes() {
  if (size_ == 0) return {};
  append_time_entry();
  if (auto wrote = offsets_.write_pending(); !wrote) return wrote;
  return times_.write_pending();
}

// The indexes do not match the log, or lack entries.
Result<void> Segment::lose_indexes() {
  if (is_beside_owner_) return make_indexes();
  needs_indexes_ = true;
  return fail(index_is_wrong(offsets_.path()));
}

Result<void> Segment::make_indexes() {
  if (!has_made_indexes_) {
    offsets_.begin();
    times_.begin();
    bytes_since_entry_ = indexed_ = 0;
    max_timestamp_ = last_time_entry_ = Timestamp{};
    has_made_indexes_ = true;
  }
  is_tail_known_ = false;
  auto file = log_.get();
  if (!file) return fail(file.error());
  BatchWalk walk(**file, indexed_, size_);
  for (;;) {
    auto batch = walk.next();
    if (!batch) return fail(batch.error());
    if (!*batch) break;
    index(**batch);
    indexed_ = walk.position();
  }
  is_tail_known_ = true;
  return {};
}

Result<void> Segment::take_indexes(Segment& made) {
  made.grow(size_);
  if (auto all = made.make_indexes(); !all) return all;
  offsets_.replace_by(made.offsets_);
  times_.replace_by(made.times_);
  bytes_since_entry_ = made.bytes_since_entry_;
  max_timestamp_ = made.max_timestamp_;
  max_timestamp_offset_ = made.max_timestamp_offset_;
  last_time_entry_ = made.last_time_entry_;
  last_crc_ = made.last_crc_;
  is_tail_known_ = true;
  needs_indexes_ = false;
  return end_indexes();
}

bool Segment::take_made_indexes() {
  const bool are_offsets_made = offsets_.take_made();
  return times_.take_made() || are_offsets_made;
}

Result<std::vector<std::shared_ptr<File>>> Segment::index_files() {
  std::vector<std::shared_ptr<File>> files;
  auto offsets = offsets_.file();
  if (!offsets) return fail(offsets.error());
  auto times = times_.file();
  if (!times) return fail(times.error());
  if (*offsets != nullptr) files.push_back(*std::move(offsets));
  if (*times != nullptr) files.push_back(*std::move(times));
  return files;
}

// The position that an entry names, if a batch ends there as the entry says.
Result<std::uint64_t> Segment::verified(const std::optional<OffsetEntry>& entry) {
  if (!entry) return 0;
  const auto position = static_cast<std::uint64_t>(entry->position);
  if (entry->position < 0 || position >= size_) return fail(index_is_wrong(offsets_.path()));
  auto batch = at(position);
  if (!batch) return fail(batch.error());
  if (!*batch || (*batch)->header.last_offset() != base_offset_ + entry->relative_offset) {
    return fail(index_is_wrong(offsets_.path()));
  }
  return position;
}

Result<std::uint64_t> Segment::position_before(Offset offset) {
  for (int round = 0;; ++round) {
    auto entry = offsets_.last_where(
        [&](const OffsetEntry& e) { return base_offset_ + e.relative_offset <= offset; });
    auto position = entry ? verified(*entry) : Result<std::uint64_t>(fail(entry.error()));
    if (position || !position.error().is(Errc::damaged) || round > 0) return position;
    if (auto made = lose_indexes(); !made) return fail(made.error());
  }
}

Result<std::uint64_t> Segment::batch_before(std::uint64_t position) {
  for (int round = 0;; ++round) {
    auto entry = offsets_.last_where([&](const OffsetEntry& e) {
      return e.position >= 0 && static_cast<std::uint64_t>(e.position) <= position;
    });
    auto found = entry ? verified(*entry) : Result<std::uint64_t>(fail(entry.error()));
    if (found || !found.error().is(Errc::damaged) || round > 0) return found;
    if (auto made = lose_indexes(); !made) return fail(made.error());
  }
}

// Appending.

Result<void> Segment::append(std::span<const Bytes> batch, const wire::BatchHeader& header) {
  auto file = begin_append(header);
  if (!file) return fail(file.error());
  if (auto written = (*file)->write(size_, batch); !written) {
    fail_append();
    return written;
  }
  end_append(header);
  return {};
}

// Allocates space first, so that on a full disk the append is refused and leaves no partial batch.
Result<std::shared_ptr<File>> Segment::begin_append(const wire::BatchHeader& header) {
  DOHLE_ASSERT(
      header.base_offset >= base_offset_ && header.last_offset() - base_offset_ <= INT32_MAX,
      "an offset does not fit into the index of its segment");
  DOHLE_ASSERT(size_ + header.size() <= INT32_MAX,
               "a position does not fit into the index of its segment");
  DOHLE_ASSERT(!is_broken_, "a segment is appended to after its end became unknown");
  if (auto known = know_tail(); !known) return fail(known.error());
  auto file = log_.get();
  if (!file) return file;
  const std::uint64_t end = size_ + header.size();
  if (end <= extended_) return file;
  const std::uint64_t step = std::clamp(size_, extend_min_bytes, extend_max_bytes);
  std::uint64_t wanted = size_ + std::max<std::uint64_t>(step, header.size());
  auto extended = (*file)->extend(wanted);
  if (!extended) {
    wanted = end;
    extended = (*file)->extend(wanted);
  }
  if (!extended) return fail(extended.error());
  extended_ = wanted;
  return file;
}

void Segment::end_append(const wire::BatchHeader& header) {
  index({size_, header});
  size_ += header.size();
  // If the disk is full, they stay in memory, and recovery rebuilds them from the log.
  if (offsets_.should_write()) (void)offsets_.write_pending();
  if (times_.should_write()) (void)times_.write_pending();
}

void Segment::fail_append() {
  extended_ = 0;
  is_cut_ = true;
  auto file = log_.get();
  if (!file || !(*file)->truncate(size_)) is_broken_ = true;
}

Result<bool> Segment::finish() {
  if (auto known = know_tail(); !known) return fail(known.error());
  if (extended_ > size_) {
    auto file = log_.get();
    if (!file) return fail(file.error());
    if (auto cut = (*file)->truncate(size_); !cut) return fail(cut.error());
    extended_ = 0;
    is_cut_ = true;
  }
  // Written after the cut, which frees space for them on a full disk.
  if (auto written = write_indexes(); !written) return fail(written.error());
  return std::exchange(is_cut_, false);
}

Result<void> Segment::truncate(std::uint64_t position) {
  auto file = log_.get();
  if (!file) return fail(file.error());
  if (auto cut = (*file)->truncate(position); !cut) return cut;
  size_ = position;
  extended_ = 0;
  is_tail_known_ = false;
  DOHLE_ASSERT(extended_ == 0, "a file that was cut counts as extended");
  unchecked_.to = std::min(unchecked_.to, position);
  unchecked_.from = std::min(unchecked_.from, unchecked_.to);
  return {};
}

Result<std::optional<std::uint32_t>> Segment::last_crc() {
  if (size_ == 0) return std::nullopt;
  if (last_crc_) return last_crc_;
  if (expected_last_crc_) return expected_last_crc_;
  auto from = batch_before(size_ - 1);
  if (!from) return fail(from.error());
  auto file = log_.get();
  if (!file) return fail(file.error());
  std::optional<std::uint32_t> crc;
  BatchWalk walk(**file, *from, size_);
  for (;;) {
    auto batch = walk.next();
    if (!batch) return fail(batch.error());
    if (!*batch) return crc;
    crc = (*batch)->header.crc;
  }
}

// Reading.

Result<std::optional<BatchAt>> Segment::at(std::uint64_t position) const {
  auto file = log_.get();
  if (!file) return fail(file.error());
  return BatchWalk(**file, position, size_).next();
}

Result<std::optional<BatchAt>> Segment::find(Offset offset) {
  if (offset <= base_offset_) return at(0);
  auto file = log_.get();
  if (!file) return fail(file.error());
  for (;;) {
    auto position = position_before(offset);
    if (!position) return fail(position.error());
    IndexedWalk walk(**file, *position, size_, index_interval_bytes_);
    for (;;) {
      auto batch = walk.next();
      if (walk.is_over()) break;
      if (!batch || !*batch || (*batch)->header.last_offset() >= offset) return batch;
    }
    if (has_made_indexes_) return fail(index_is_wrong(offsets_.path()));
    if (auto made = lose_indexes(); !made) return fail(made.error());
  }
}

Result<std::optional<BatchAt>> Segment::find(Timestamp time) {
  if (auto known = know_tail(); !known) return fail(known.error());
  if (max_timestamp_ < time) return std::nullopt;
  const auto is_earlier = [&](const TimeEntry& e) { return e.timestamp < time.value; };
  auto earlier = times_.last_where(is_earlier);
  if (!earlier) return fail(earlier.error());
  auto is_true = is_borne_out(*earlier);
  if (!is_true) return fail(is_true.error());
  if (!*is_true) {
    if (auto made = lose_indexes(); !made) return fail(made.error());
    earlier = times_.last_where(is_earlier);
    if (!earlier) return fail(earlier.error());
  }
  auto position = *earlier ? position_before(base_offset_ + (*earlier)->relative_offset)
                           : Result<std::uint64_t>(0);
  if (!position) return fail(position.error());
  auto file = log_.get();
  if (!file) return fail(file.error());
  BatchWalk walk(**file, *position, size_);
  for (;;) {
    auto batch = walk.next();
    if (!batch || !*batch || (*batch)->header.max_timestamp >= time) return batch;
  }
}

Result<Slice> Segment::load(const BatchAt& batch) const {
  auto file = log_.get();
  if (!file) return fail(file.error());
  Result<std::size_t> got;
  Slice bytes = Slice::made(batch.header.size(), [&](std::span<std::byte> to) {
    got = (*file)->read(batch.position, to);
  });
  if (!got) return fail(got.error());
  if (*got < bytes.size()) {
    return fail(Error::storage(Errc::damaged, path() + " ends within a batch"));
  }
  return bytes;
}

Result<std::uint64_t> Segment::boundary(std::uint64_t from, std::uint64_t most) {
  DOHLE_ASSERT(from <= most && most <= size_, "a boundary is sought outside of the segment");
  auto known = batch_before(most);
  if (!known) return known;
  std::uint64_t end = std::max(from, *known);
  auto file = log_.get();
  if (!file) return fail(file.error());
  IndexedWalk walk(**file, end, size_, index_interval_bytes_);
  for (;;) {
    auto batch = walk.next();
    if (!batch) return fail(batch.error());
    if (walk.is_over()) break;
    if (!*batch || walk.position() > most) return end;
    end = walk.position();
  }
  if (auto lost = lose_indexes(); !lost) return fail(lost.error());
  return end;
}

std::uint64_t Segment::checked_until(std::uint64_t position) const {
  if (position < unchecked_.from) return unchecked_.from;
  return position < unchecked_.to ? position : size_;
}

Result<std::vector<std::string>> Segment::retire(Disk& disk) {
  std::vector<std::string> retired;
  for (const std::string_view suffix : {".log", ".index", ".timeindex", ".snapshot"}) {
    const std::string path = path_of(directory_, base_offset_, suffix);
    auto renamed = disk.rename(path, path + ".deleted");
    if (!renamed && !renamed.error().is(Errc::not_found)) return fail(renamed.error());
    if (renamed) retired.push_back(path + ".deleted");
  }
  return retired;
}

}  // namespace dohle::log
