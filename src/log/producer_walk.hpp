#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "log/leader_epochs.hpp"
#include "log/producer_state.hpp"
#include "log/recovery_plan.hpp"
#include "log/segment.hpp"

namespace dohle::log {

/// Reads a log's producers and epochs from its files; between a clean stop and the next append they
/// are not in memory. Accesses segments, so it belongs to the thread that owns them.
struct LogFiles {
  Disk* disk;
  const std::string* directory;
  /// The log's segments, at least one.
  std::span<const std::unique_ptr<Segment>> segments;
  /// Existing files, by offset.
  std::span<const Offset> snapshots;
  Offset end;

  /// Index of the segment that holds `offset`.
  [[nodiscard]] std::size_t segment_of(Offset offset) const;
  /// The producers as of `until`: from the newest whole snapshot and the last megabytes of batches.
  /// Errors: damaged, storage.
  [[nodiscard]] Result<ProducerState> producers_at(Offset until) const;
  /// Reads the leader epochs from their file, or from all batches if it is lost. Errors: storage.
  [[nodiscard]] Result<LeaderEpochs> epochs() const;
  /// Feeds `producers` the batches of [from, until).
  Result<void> feed(ProducerState& producers, Offset from, Offset until) const;

 private:
  [[nodiscard]] Result<std::pair<Offset, ProducerState>> best_snapshot(Offset until) const;
  [[nodiscard]] Result<Offset> tail_begin() const;
};

/// The files of a log for a job on a disk thread. The job has segments of its own, which rebuild
/// lost indexes in memory and write no files. Created by the owner of the log; then used by one
/// thread at a time.
class FilesBeside {
 public:
  FilesBeside(Disk& disk, std::string directory, std::uint32_t index_interval_bytes,
              std::vector<FoundSegment> found, std::vector<Offset> snapshots, Offset end)
      : disk_(&disk),
        directory_(std::move(directory)),
        index_interval_bytes_(index_interval_bytes),
        found_(std::move(found)),
        snapshots_(std::move(snapshots)),
        end_(end) {}

  /// The job calls it first.
  void open();
  [[nodiscard]] std::span<const std::unique_ptr<Segment>> segments() const { return segments_; }
  [[nodiscard]] LogFiles files() const { return {disk_, &directory_, segments_, snapshots_, end_}; }
  [[nodiscard]] Offset end() const { return end_; }

 private:
  Disk* disk_;
  std::string directory_;
  std::uint32_t index_interval_bytes_;
  std::vector<FoundSegment> found_;
  std::vector<std::unique_ptr<Segment>> segments_;
  std::vector<Offset> snapshots_;
  Offset end_;
};

}  // namespace dohle::log
