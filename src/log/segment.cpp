#include "log/segment.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/units.hpp"
#include "wire/big_endian.hpp"

namespace dohle::log {

namespace {

constexpr std::uint64_t reserve_step_bytes = 1_MiB;
constexpr std::size_t offset_entry_bytes = 8;
constexpr std::size_t time_entry_bytes = 12;

Error damaged(const File& file, std::uint64_t position, std::string_view what) {
  return Error::storage(Errc::damaged, file.path() + " at byte " + std::to_string(position) + ": " +
                                           std::string(what));
}

Result<std::vector<std::byte>> read_all(const File& file) {
  std::vector<std::byte> bytes(file.size());
  auto got = file.read(0, bytes);
  if (!got) return fail(got.error());
  bytes.resize(*got);
  return bytes;
}

}  // namespace

std::string Segment::file_name(Offset base_offset, std::string_view suffix) {
  std::array<char, 32> digits;
  std::snprintf(digits.data(), digits.size(), "%020lld", static_cast<long long>(base_offset.value));
  return std::string(digits.data()) + std::string(suffix);
}

Result<Segment> Segment::create(Disk& disk, const std::string& directory, Offset base_offset) {
  Segment segment(directory, base_offset);
  auto opened = segment.open_files(disk, OpenMode::truncate, OpenMode::truncate);
  if (!opened) return fail(opened.error());
  return segment;
}

Result<Segment> Segment::open(Disk& disk, const std::string& directory, Offset base_offset) {
  Segment segment(directory, base_offset);
  auto opened = segment.open_files(disk, OpenMode::read_write, OpenMode::create);
  if (!opened) return fail(opened.error());
  segment.size_ = segment.log_->size();
  auto loaded = segment.load_indexes();
  if (!loaded) return fail(loaded.error());
  if (!*loaded) {
    if (auto rebuilt = segment.rebuild_indexes(); !rebuilt) return fail(rebuilt.error());
  }
  return segment;
}

Result<void> Segment::open_files(Disk& disk, OpenMode log_mode, OpenMode index_mode) {
  const auto open = [&](std::string_view suffix, OpenMode mode, std::shared_ptr<File>& into) {
    auto file = disk.open(directory_ + "/" + file_name(base_offset_, suffix), mode);
    if (!file) return Result<void>(fail(file.error()));
    into = *std::move(file);
    return Result<void>();
  };
  if (auto opened = open(".log", log_mode, log_); !opened) return opened;
  if (auto opened = open(".index", index_mode, offset_index_); !opened) return opened;
  return open(".timeindex", index_mode, time_index_);
}

// False when the indexes are missing, or say what the log cannot bear out. The tail behind the last
// entry is walked, so that the time of the newest record is known.
Result<bool> Segment::load_indexes() {
  auto offsets = read_all(*offset_index_);
  if (!offsets) return fail(offsets.error());
  auto times = read_all(*time_index_);
  if (!times) return fail(times.error());
  if (offsets->size() % offset_entry_bytes != 0 || times->size() % time_entry_bytes != 0) {
    return false;
  }
  if (offsets->empty() && size_ > 2 * index_interval_bytes) return false;
  for (std::size_t i = 0; i < offsets->size(); i += offset_entry_bytes) {
    const OffsetEntry entry{wire::load_big_endian<std::int32_t>(offsets->data() + i),
                            wire::load_big_endian<std::int32_t>(offsets->data() + i + 4)};
    const bool goes_on =
        offsets_.empty() || (entry.position > offsets_.back().position &&
                             entry.relative_offset > offsets_.back().relative_offset);
    if (!goes_on || entry.position < 0 || static_cast<std::uint64_t>(entry.position) >= size_) {
      return false;
    }
    offsets_.push_back(entry);
  }
  for (std::size_t i = 0; i < times->size(); i += time_entry_bytes) {
    times_.push_back({wire::load_big_endian<std::int64_t>(times->data() + i),
                      wire::load_big_endian<std::int32_t>(times->data() + i + 8)});
  }
  offsets_written_ = offsets_.size();
  times_written_ = times_.size();
  if (!times_.empty()) {
    max_timestamp_ = Timestamp{times_.back().timestamp};
    max_timestamp_offset_ = base_offset_ + times_.back().relative_offset;
  }
  std::uint64_t position =
      offsets_.empty() ? 0 : static_cast<std::uint64_t>(offsets_.back().position);
  bytes_since_entry_ = size_ - position;
  while (position < size_) {
    auto batch = at(position);
    if (!batch) return false;
    if (!*batch) break;
    if ((*batch)->header.max_timestamp > max_timestamp_) {
      max_timestamp_ = (*batch)->header.max_timestamp;
      max_timestamp_offset_ = (*batch)->header.last_offset();
    }
    position += (*batch)->header.size();
  }
  return true;
}

Result<void> Segment::rebuild_indexes() {
  offsets_.clear();
  times_.clear();
  offsets_written_ = times_written_ = 0;
  bytes_since_entry_ = 0;
  max_timestamp_ = Timestamp{};
  for (std::uint64_t position = 0; position < size_;) {
    auto batch = at(position);
    if (!batch) break;  // recovery decides what becomes of a damaged tail
    if (!*batch) break;
    index(position, (*batch)->header);
    position += (*batch)->header.size();
  }
  if (auto cut = offset_index_->truncate(0); !cut) return cut;
  if (auto cut = time_index_->truncate(0); !cut) return cut;
  return write_new_entries();
}

// Notes a batch; an entry is due for it when enough bytes lie before it.
void Segment::index(std::uint64_t position, const wire::BatchHeader& header) {
  const bool is_due = bytes_since_entry_ > index_interval_bytes;
  if (header.max_timestamp > max_timestamp_) {
    max_timestamp_ = header.max_timestamp;
    max_timestamp_offset_ = header.last_offset();
  }
  if (is_due) {
    offsets_.push_back({static_cast<std::int32_t>(header.last_offset() - base_offset_),
                        static_cast<std::int32_t>(position)});
    if (times_.empty() || times_.back().timestamp < max_timestamp_.value) {
      times_.push_back(
          {max_timestamp_.value, static_cast<std::int32_t>(max_timestamp_offset_ - base_offset_)});
    }
    bytes_since_entry_ = 0;
  }
  bytes_since_entry_ += header.size();
}

Result<void> Segment::write_new_entries() {
  std::vector<std::byte> bytes;
  bytes.resize((offsets_.size() - offsets_written_) * offset_entry_bytes);
  for (std::size_t i = offsets_written_; i < offsets_.size(); ++i) {
    std::byte* to = bytes.data() + (i - offsets_written_) * offset_entry_bytes;
    wire::store_big_endian(to, offsets_[i].relative_offset);
    wire::store_big_endian(to + 4, offsets_[i].position);
  }
  if (!bytes.empty()) {
    const Bytes piece(bytes);
    auto written = offset_index_->write(offsets_written_ * offset_entry_bytes, {&piece, 1});
    if (!written) return written;
  }
  offsets_written_ = offsets_.size();
  bytes.resize((times_.size() - times_written_) * time_entry_bytes);
  for (std::size_t i = times_written_; i < times_.size(); ++i) {
    std::byte* to = bytes.data() + (i - times_written_) * time_entry_bytes;
    wire::store_big_endian(to, times_[i].timestamp);
    wire::store_big_endian(to + 8, times_[i].relative_offset);
  }
  if (!bytes.empty()) {
    const Bytes piece(bytes);
    auto written = time_index_->write(times_written_ * time_entry_bytes, {&piece, 1});
    if (!written) return written;
  }
  times_written_ = times_.size();
  return {};
}

Result<void> Segment::append(std::span<const Bytes> batches, const wire::BatchHeader& last_header) {
  std::uint64_t bytes = 0;
  for (const Bytes batch : batches) bytes += batch.size();
  if (size_ + bytes > reserved_) {
    // Space first: then a full disk is a refused append, not half a batch.
    const std::uint64_t wanted = std::max(size_ + bytes, size_ + reserve_step_bytes);
    auto reserved = log_->reserve(wanted);
    if (!reserved) reserved = log_->reserve(size_ + bytes);
    if (!reserved) return reserved;
    reserved_ = wanted;
  }
  if (auto written = log_->write(size_, batches); !written) {
    const auto cut = log_->truncate(size_);
    reserved_ = 0;
    // A partial write that cannot be cut stays above the end of the log, and recovery cuts it.
    return cut ? written : fail(cut.error());
  }
  const std::uint64_t position = size_;
  size_ += bytes;
  index(position, last_header);
  // The log has the records; what the index lacks is rebuilt from it.
  (void)write_new_entries();
  return {};
}

Result<std::optional<BatchAt>> Segment::at(std::uint64_t position) const {
  if (position >= size_) return std::nullopt;
  std::array<std::byte, wire::batch_header_bytes> bytes;
  auto got = log_->read(position, bytes);
  if (!got) return fail(got.error());
  if (*got < bytes.size()) return fail(damaged(*log_, position, "a batch is cut off"));
  auto header = wire::read_batch_header(bytes);
  if (!header) return fail(damaged(*log_, position, header.error().message()));
  if (header->size() > size_ - position) {
    return fail(damaged(*log_, position, "a batch is cut off"));
  }
  return BatchAt{position, *header};
}

std::uint64_t Segment::position_before(Offset offset) const {
  const auto relative = offset - base_offset_;
  const auto after = std::upper_bound(
      offsets_.begin(), offsets_.end(), relative,
      [](std::int64_t wanted, const OffsetEntry& entry) { return wanted < entry.relative_offset; });
  // The entry names the last offset of its batch: the batch itself still holds what lies before.
  return after == offsets_.begin() ? 0 : static_cast<std::uint64_t>(std::prev(after)->position);
}

Result<std::optional<BatchAt>> Segment::find(Offset offset) const {
  for (std::uint64_t position = position_before(offset);;) {
    auto batch = at(position);
    if (!batch || !*batch || (*batch)->header.last_offset() >= offset) return batch;
    position += (*batch)->header.size();
  }
}

Result<std::optional<BatchAt>> Segment::find(Timestamp time) const {
  if (max_timestamp_ < time) return std::nullopt;
  const auto later = std::lower_bound(
      times_.begin(), times_.end(), time.value,
      [](const TimeEntry& entry, std::int64_t wanted) { return entry.timestamp < wanted; });
  std::uint64_t position = later == times_.begin()
                               ? 0
                               : position_before(base_offset_ + std::prev(later)->relative_offset);
  for (;;) {
    auto batch = at(position);
    if (!batch || !*batch || (*batch)->header.max_timestamp >= time) return batch;
    position += (*batch)->header.size();
  }
}

Result<Slice> Segment::load(const BatchAt& batch) const {
  Result<std::size_t> got;
  Slice bytes = Slice::made(batch.header.size(),
                            [&](std::span<std::byte> to) { got = log_->read(batch.position, to); });
  if (!got) return fail(got.error());
  if (*got < bytes.size()) return fail(damaged(*log_, batch.position, "a batch is cut off"));
  return bytes;
}

Result<void> Segment::truncate(std::uint64_t position) {
  if (auto cut = log_->truncate(position); !cut) return cut;
  size_ = position;
  reserved_ = 0;
  return rebuild_indexes();
}

Result<void> Segment::remove(Disk& disk) {
  for (const auto& file : {log_, offset_index_, time_index_}) {
    const std::string deleted = file->path() + ".deleted";
    if (auto renamed = disk.rename(file->path(), deleted); !renamed) return renamed;
    if (auto removed = disk.remove(deleted); !removed) return removed;
  }
  return {};
}

}  // namespace dohle::log
