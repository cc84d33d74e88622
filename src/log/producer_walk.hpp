#pragma once

#include <memory>
#include <span>
#include <string>

#include "log/leader_epochs.hpp"
#include "log/producer_state.hpp"
#include "log/segment.hpp"

namespace dohle::log {

/// Reads a log's producers and epochs from its files; between a clean stop and the next append they
/// are not in memory. Accesses segments, so it belongs to the thread that owns them.
struct LogFiles {
  Disk* disk;
  const std::string* directory;
  /// At least one.
  std::span<const std::unique_ptr<Segment>> segments;
  /// Existing files, by offset.
  std::span<const Offset> snapshots;
  Offset end;

  /// Index of the segment that holds `offset`.
  [[nodiscard]] std::size_t segment_of(Offset offset) const;
  /// The producers as of `until`: from the newest whole snapshot and the last megabytes of batches.
  /// Errors: damaged, storage.
  [[nodiscard]] Result<ProducerState> producers_at(Offset until) const;
  /// From their file, or from all batches if it is lost. Errors: storage.
  [[nodiscard]] Result<LeaderEpochs> epochs() const;
  /// Feeds `producers` the batches of [from, until).
  Result<void> feed(ProducerState& producers, Offset from, Offset until) const;

 private:
  [[nodiscard]] Result<std::pair<Offset, ProducerState>> best_snapshot(Offset until) const;
  [[nodiscard]] Result<Offset> tail_begin() const;
};

}  // namespace dohle::log
