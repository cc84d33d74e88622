#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/chain.hpp"
#include "base/disk.hpp"
#include "wire/batch.hpp"

namespace dohle::log {

/// A batch of a segment, by its header.
struct BatchAt {
  std::uint64_t position = 0;
  wire::BatchHeader header;
};

/// One file of a partition with its two indexes, in Apache Kafka's format: NNN.log, NNN.index
/// (offset to position) and NNN.timeindex (time to offset), NNN being the first offset in twenty
/// digits. Index entries are written every `index_interval_bytes` of log. Owner's thread only.
class Segment {
 public:
  static constexpr std::uint64_t index_interval_bytes = 4096;

  /// Makes an empty segment; files of that name are replaced.
  static Result<Segment> create(Disk& disk, const std::string& directory, Offset base_offset);
  /// Opens one that exists. Its indexes are read, or rebuilt if they are missing or do not fit.
  static Result<Segment> open(Disk& disk, const std::string& directory, Offset base_offset);
  /// "00000000000000000042.log"
  static std::string file_name(Offset base_offset, std::string_view suffix);

  [[nodiscard]] Offset base_offset() const { return base_offset_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] Timestamp max_timestamp() const { return max_timestamp_; }
  [[nodiscard]] const std::shared_ptr<File>& file() const { return log_; }

  /// Writes whole batches, stamped, at the end. On failure the segment is as it was.
  Result<void> append(std::span<const Bytes> batches, const wire::BatchHeader& last_header);

  /// The first batch that ends at or after `offset`; nothing past the end.
  [[nodiscard]] Result<std::optional<BatchAt>> find(Offset offset) const;
  /// The first batch with a record at or after `time`; nothing if there is none.
  [[nodiscard]] Result<std::optional<BatchAt>> find(Timestamp time) const;
  /// The batch at a position; nothing at the end. Its header alone is read.
  [[nodiscard]] Result<std::optional<BatchAt>> at(std::uint64_t position) const;
  /// The whole bytes of a batch.
  [[nodiscard]] Result<Slice> load(const BatchAt& batch) const;

  /// Cuts the log at `position` and rebuilds the indexes.
  Result<void> truncate(std::uint64_t position);
  /// Files that a sync has to cover: the log. Indexes are rebuilt when they are lost.
  [[nodiscard]] const std::shared_ptr<File>& synced_file() const { return log_; }
  /// Renames the files to *.deleted, so that a crash cannot bring them back, and removes them.
  /// Ranges being sent keep the open file alive.
  Result<void> remove(Disk& disk);

 private:
  struct OffsetEntry {
    std::int32_t relative_offset;
    std::int32_t position;
  };
  struct TimeEntry {
    std::int64_t timestamp;
    std::int32_t relative_offset;
  };

  Segment(std::string directory, Offset base_offset)
      : directory_(std::move(directory)), base_offset_(base_offset) {}
  Result<void> open_files(Disk& disk, OpenMode log_mode, OpenMode index_mode);
  Result<bool> load_indexes();
  Result<void> rebuild_indexes();
  void index(std::uint64_t position, const wire::BatchHeader& header);
  Result<void> write_new_entries();
  [[nodiscard]] std::uint64_t position_before(Offset offset) const;

  std::string directory_;
  Offset base_offset_;
  std::shared_ptr<File> log_;
  std::shared_ptr<File> offset_index_;
  std::shared_ptr<File> time_index_;
  std::uint64_t size_ = 0;
  std::uint64_t reserved_ = 0;
  std::uint64_t bytes_since_entry_ = 0;
  Timestamp max_timestamp_;
  Offset max_timestamp_offset_;
  std::vector<OffsetEntry> offsets_;
  std::vector<TimeEntry> times_;
  std::size_t offsets_written_ = 0;
  std::size_t times_written_ = 0;
};

}  // namespace dohle::log
