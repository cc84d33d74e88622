#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "log/file_cache.hpp"

namespace dohle::log {

/// An entry of NNN.index: the batch at `position` ends with this offset (relative to NNN).
struct OffsetEntry {
  static constexpr std::size_t bytes = 8;
  std::int32_t relative_offset;
  std::int32_t position;
};

/// An entry of NNN.timeindex: no record up to this offset has a later timestamp than `timestamp`.
struct TimeEntry {
  static constexpr std::size_t bytes = 12;
  std::int64_t timestamp;
  std::int32_t relative_offset;
};

/// A sorted file of fixed-size entries in Apache Kafka's format. Only the newest entries are kept
/// in memory; they are written in groups. The index is a hint that readers verify: a missing file
/// counts as empty, and a damaged one is rebuilt from the log. Owner's thread only.
template <class Entry>
class IndexFile {
 public:
  /// Entries kept in memory before a write: 512 KiB of log.
  static constexpr std::size_t max_pending = 128;

  IndexFile(Disk& disk, const std::shared_ptr<FileCache>& cache, std::string path)
      : file_(disk, cache, std::move(path)) {}

  [[nodiscard]] const std::string& path() const { return file_.path(); }
  void use_files(const std::shared_ptr<FileCache>& cache) { file_.use(cache); }
  /// Removes all entries. On a full disk the file is created by the first write that succeeds.
  Result<void> clear();
  /// The same in memory only: the contents of an existing file are ignored, and the next write
  /// replaces them. Creates an absent file then.
  void begin();
  /// Takes over all entries of `made`, which holds them only in memory. The next write replaces the
  /// file's entries by them.
  void replace_by(IndexFile& made);
  /// `entry` is greater than all earlier ones.
  void append(Entry entry) { pending_.push_back(entry); }
  [[nodiscard]] bool should_write() const { return pending_.size() >= max_pending; }
  /// Creates the file if it is absent. On failure the entries stay in memory.
  Result<void> write_pending();
  /// Whether a write may have created the file since the last call: no sync is known to cover its
  /// name.
  [[nodiscard]] bool take_made() { return std::exchange(is_made_, false); }
  /// The file, for a sync. Null if there is none.
  [[nodiscard]] Result<std::shared_ptr<File>> file();

  [[nodiscard]] Result<std::size_t> count();
  [[nodiscard]] Result<std::optional<Entry>> last();
  /// The last entry of the prefix for which `holds` is true.
  template <class Holds>
  [[nodiscard]] Result<std::optional<Entry>> last_where(Holds holds);

 private:
  static constexpr std::size_t unknown = SIZE_MAX;

  Result<Entry> read(std::size_t index);
  Result<std::size_t> written();

  CachedFile file_;
  std::size_t written_ = unknown;
  /// The contents of the file, if it exists, are older than the last `clear`, `begin` or
  /// `replace_by`. The next write empties the file first.
  bool is_stale_ = false;
  bool is_made_ = false;
  std::vector<Entry> pending_;
};

template <class Entry>
template <class Holds>
Result<std::optional<Entry>> IndexFile<Entry>::last_where(Holds holds) {
  if (!pending_.empty() && holds(pending_.front())) {
    std::size_t low = 0;
    for (std::size_t high = pending_.size(); high - low > 1;) {
      const std::size_t middle = low + (high - low) / 2;
      (holds(pending_[middle]) ? low : high) = middle;
    }
    return pending_[low];
  }
  auto count = written();
  if (!count) return fail(count.error());
  std::optional<Entry> best;
  for (std::size_t low = 0, high = *count; low < high;) {
    const std::size_t middle = low + (high - low) / 2;
    auto entry = read(middle);
    if (!entry) return fail(entry.error());
    if (holds(*entry)) {
      best = *entry;
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return best;
}

extern template class IndexFile<OffsetEntry>;
extern template class IndexFile<TimeEntry>;

}  // namespace dohle::log
