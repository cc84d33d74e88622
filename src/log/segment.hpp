#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "base/disk.hpp"
#include "log/batch_walk.hpp"
#include "log/file_cache.hpp"
#include "log/index_file.hpp"
#include "wire/batch.hpp"

namespace dohle::log {

/// One file of a partition with its two indexes, in Apache Kafka's format: NNN.log, NNN.index
/// (offset to position) and NNN.timeindex (time to offset), NNN being the first offset in twenty
/// digits. Files are opened on demand. Owner's thread only.
///
/// An index entry is a hint: it is compared with its batch, and a call walks from there at most to
/// the place of the next entry. Indexes that do not match the log, or lack entries, are lost: the
/// call fails as damaged, and `needs_indexes` is true from then on. To rebuild them the whole file
/// is walked. A second Segment of the same file does that on a disk thread, and `take_indexes`
/// takes over its result.
class Segment {
 public:
  Segment(Disk& disk, const std::shared_ptr<FileCache>& cache, const std::string& directory,
          Offset base_offset, std::uint32_t index_interval_bytes);

  /// "00000000000000000042.log"
  static std::string file_name(Offset base_offset, std::string_view suffix);

  void check_invariants() const;

  /// As PartitionLog::use_files.
  void use_files(const std::shared_ptr<FileCache>& cache);
  /// Creates the file, empty; replaces files of that name. Index files are created by the first
  /// write to them: an empty partition has none.
  Result<void> create();
  /// Takes over an existing file of this size. Reads no bytes.
  void adopt(std::uint64_t size);
  /// From now on each call rebuilds lost indexes in memory if it needs them. Writes no files:
  /// another Segment owns them.
  void work_beside_owner() { is_beside_owner_ = true; }

  [[nodiscard]] Offset base_offset() const { return base_offset_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] const std::string& path() const { return log_.path(); }
  [[nodiscard]] Result<std::shared_ptr<File>> file() const { return log_.get(); }
  /// The largest timestamp; none if no record has one.
  [[nodiscard]] Result<Timestamp> max_timestamp();

  /// Appends one stamped batch, given in pieces. On failure the segment is unchanged, unless
  /// `is_broken`.
  Result<void> append(std::span<const Bytes> batch, const wire::BatchHeader& header);
  /// The same in steps: returns the file, with space for the batch at size(). Its owner writes the
  /// batch there, then calls one of the other two.
  [[nodiscard]] Result<std::shared_ptr<File>> begin_append(const wire::BatchHeader& header);
  void end_append(const wire::BatchHeader& header);
  void fail_append();
  /// A write failed, and its bytes could not be cut off.
  [[nodiscard]] bool is_broken() const { return is_broken_; }

  /// The first batch that ends at or after `offset`; none past the end.
  [[nodiscard]] Result<std::optional<BatchAt>> find(Offset offset);
  /// The first batch with a record at or after `time`; none if there is none.
  [[nodiscard]] Result<std::optional<BatchAt>> find(Timestamp time);
  /// The batch at a position; none at the end.
  [[nodiscard]] Result<std::optional<BatchAt>> at(std::uint64_t position) const;
  /// All bytes of a batch.
  [[nodiscard]] Result<Slice> load(const BatchAt& batch) const;
  /// End of the last whole batch between `from`, the beginning of a batch, and `most`.
  [[nodiscard]] Result<std::uint64_t> boundary(std::uint64_t from, std::uint64_t most);
  /// Beginning of a batch at or before `position`, less than an index interval away as far as the
  /// index knows.
  [[nodiscard]] Result<std::uint64_t> batch_before(std::uint64_t position);

  /// Appending stops for now: writes the last index entries and cuts the preallocated space off the
  /// log file. True if a cut has yet to be covered by a sync.
  Result<bool> finish();
  [[nodiscard]] Result<std::vector<std::shared_ptr<File>>> index_files();
  /// Whether an index file may have been created since the last call: no sync is known to cover its
  /// name.
  [[nodiscard]] bool take_made_indexes();

  /// The end of the indexes is known: an append reads no files.
  [[nodiscard]] bool is_tail_known() const { return is_tail_known_; }
  /// A call failed because the indexes are lost.
  [[nodiscard]] bool needs_indexes() const { return needs_indexes_; }
  /// After `work_beside_owner`: rebuilds the indexes of all batches below size() in memory.
  /// Continues where the last call ended. Blocks. Errors: damaged, storage.
  Result<void> make_indexes();
  /// The indexes were rebuilt in memory, not read from files.
  [[nodiscard]] bool has_made_indexes() const { return has_made_indexes_; }
  /// After `work_beside_owner`: the file has grown since `adopt`.
  void grow(std::uint64_t size) { size_ = size; }
  /// Takes over the indexes that `made` has rebuilt for the same file, adds the batches that were
  /// appended since, and writes the index files. Entries that do not fit on the disk are used from
  /// memory. Errors: damaged, storage.
  Result<void> take_indexes(Segment& made);

  // Recovery: the indexes are rebuilt from a walk.
  Result<void> begin_indexes();
  void index(const BatchAt& batch);
  /// Entries that do not fit on the disk are used from memory, until a later write succeeds.
  Result<void> end_indexes();
  /// Cuts the log. Its indexes have to be rebuilt.
  Result<void> truncate(std::uint64_t position);

  /// Renames the files to *.deleted, so that a crash cannot bring them back, and returns the new
  /// names. Ranges being sent keep the open file alive.
  Result<std::vector<std::string>> retire(Disk& disk);

  /// CRC of the last batch; absent if the segment is empty. Reads the file if the CRC is not known.
  /// Errors: damaged, storage.
  [[nodiscard]] Result<std::optional<std::uint32_t>> last_crc();
  /// Sets the CRC from a clean stop, which the check of the segment compares.
  void expect_last_crc(std::optional<std::uint32_t> crc) { expected_last_crc_ = crc; }
  [[nodiscard]] std::optional<std::uint32_t> expected_last_crc() const {
    return expected_last_crc_;
  }

  // Bytes that have been checked by CRC since the start.

  struct Unchecked {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    Offset next;  ///< lower bound of the offset of the batch at `from`
    [[nodiscard]] std::uint64_t bytes() const { return to - from; }
  };
  [[nodiscard]] const Unchecked& unchecked() const { return unchecked_; }
  void set_unchecked(Unchecked unchecked) {
    DOHLE_ASSERT(unchecked.from <= unchecked.to && unchecked.to <= size_,
                 "bytes that are not there are to be checked");
    unchecked_ = unchecked;
  }
  /// End of the checked bytes that begin at `position`; `position` itself if it is unchecked.
  [[nodiscard]] std::uint64_t checked_until(std::uint64_t position) const;

 private:
  Result<void> know_tail();
  Result<void> index_tail(std::uint64_t position, bool has_entry);
  Result<void> lose_indexes();
  [[nodiscard]] Result<bool> is_far_from_end(std::uint64_t position) const;
  Result<void> write_indexes();
  Result<std::uint64_t> position_before(Offset offset);
  Result<std::uint64_t> verified(const std::optional<OffsetEntry>& entry);
  Result<bool> is_borne_out(const std::optional<TimeEntry>& entry);
  void know_no_entries();
  void note_time(const wire::BatchHeader& header);
  void append_time_entry();

  std::string directory_;
  Offset base_offset_;
  std::uint32_t index_interval_bytes_;
  mutable CachedFile log_;
  IndexFile<OffsetEntry> offsets_;
  IndexFile<TimeEntry> times_;
  std::uint64_t size_ = 0;
  /// End of the preallocated space.
  std::uint64_t extended_ = 0;
  /// The file was cut; no sync is known to cover that.
  bool is_cut_ = false;
  bool is_tail_known_ = false;
  bool needs_indexes_ = false;
  bool is_beside_owner_ = false;
  bool has_made_indexes_ = false;
  /// The rebuilt indexes cover the batches below this position.
  std::uint64_t indexed_ = 0;
  bool is_broken_ = false;
  std::uint64_t bytes_since_entry_ = 0;
  Timestamp max_timestamp_;
  Offset max_timestamp_offset_;
  Timestamp last_time_entry_;
  std::optional<std::uint32_t> last_crc_;
  std::optional<std::uint32_t> expected_last_crc_;
  Unchecked unchecked_;
};

}  // namespace dohle::log
