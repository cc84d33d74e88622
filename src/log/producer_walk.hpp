#pragma once

#include <memory>
#include <span>
#include <string>

#include "log/leader_epochs.hpp"
#include "log/producer_state.hpp"
#include "log/segment.hpp"

namespace dohle::log {

/// What files say of a log's producers and epochs, which are not in memory from a clean stop to
/// the next append. Looks into segments, and so belongs to the thread that owns them.
struct LogFiles {
  Disk* disk;
  const std::string* directory;
  /// At least one.
  std::span<const std::unique_ptr<Segment>> segments;
  /// Files that are there, by offset.
  std::span<const Offset> snapshots;
  Offset end;

  /// The number of the segment that holds `offset`.
  [[nodiscard]] std::size_t segment_of(Offset offset) const;
  /// The producers as they were at `until`: from the newest snapshot that is whole, and the last
  /// megabytes of batches. Errors: damaged, storage.
  [[nodiscard]] Result<ProducerState> producers_at(Offset until) const;
  /// From their file, or where that is lost from all batches. Errors: storage.
  [[nodiscard]] Result<LeaderEpochs> epochs() const;
  /// Tells `producers` of the batches of [from, until).
  Result<void> feed(ProducerState& producers, Offset from, Offset until) const;

 private:
  [[nodiscard]] Result<std::pair<Offset, ProducerState>> best_snapshot(Offset until) const;
  [[nodiscard]] Result<Offset> tail_begin() const;
};

}  // namespace dohle::log
