#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "log/file_cache.hpp"

namespace dohle::log {

/// State of a log that its batches do not hold.
struct LogState {
  Offset log_start{0};
  /// All bytes below are on disk...
  Offset recovery_point{0};
  /// ...up to this byte of this segment.
  Offset point_base{0};
  std::uint64_t point_position = 0;
  /// When the last segment got its first batch, by the wall clock.
  Offset active_base{0};
  Timestamp active_since;
  friend bool operator==(const LogState&, const LogState&) = default;
};

/// The partition of a log.
struct LogIdentity {
  TopicId topic;
  PartitionId partition;
  friend bool operator==(const LogIdentity&, const LogIdentity&) = default;
};

/// The file `dohle-log` of a partition: two lines of text, 4096 bytes apart, each with a number,
/// the log's identity and a CRC. The newer whole line is valid. A write replaces the other line,
/// and replaces the same line again until a sync has succeeded. So a crash always leaves one synced
/// line, and a checkpoint costs one sync and no rename. Owner's thread only.
class StateFile {
 public:
  static constexpr std::string_view name = "dohle-log";

  StateFile(Disk& disk, const std::shared_ptr<FileCache>& cache, const std::string& directory)
      : file_(disk, cache, directory + "/" + std::string(name)) {}

  void use_files(const std::shared_ptr<FileCache>& cache) { file_.use(cache); }
  /// Absent if there is no file or no whole line.
  Result<std::optional<LogState>> load();
  /// Identity in the loaded line; absent if 0.1.0 wrote it.
  [[nodiscard]] const std::optional<LogIdentity>& loaded_identity() const {
    return loaded_identity_;
  }
  /// Identity to write into later lines.
  void set_identity(const LogIdentity& identity) { identity_ = identity; }
  /// Creates the file if it is absent.
  Result<void> make();
  /// Returns the file that a sync has to cover; then call `settle`.
  Result<std::shared_ptr<File>> write(const LogState& state);
  /// A sync that began after the last write has succeeded.
  void settle();

 private:
  CachedFile file_;
  std::optional<LogIdentity> loaded_identity_;
  std::optional<LogIdentity> identity_;
  std::uint64_t number_ = 0;
  unsigned place_ = 0;  // index of the line that the next write replaces
};

}  // namespace dohle::log
