#pragma once

#include <optional>

#include "log/producer_walk.hpp"

namespace dohle::log {

struct OffsetAndTime {
  Offset offset;
  Timestamp timestamp;
  LeaderEpoch leader_epoch = {};
};

/// Finds a record by its time. May read and decompress many batches, so it runs on a disk thread;
/// it does not touch the owner's objects. One thread at a time.
class TimeSearch {
 public:
  using Found = Result<std::optional<OffsetAndTime>>;
  /// The first record at or after this time; if absent, the first record with the largest time.
  using Wanted = std::optional<Timestamp>;

  /// Records below `log_start` are ignored.
  TimeSearch(FilesBeside files, Offset log_start, Wanted wanted)
      : files_(std::move(files)), log_start_(log_start), wanted_(wanted) {}

  /// Blocks. Called once.
  void run();
  /// The result of `run`; none if there is no such record. Errors: damaged, storage; not_found if
  /// the log has removed a segment meanwhile.
  [[nodiscard]] const Found& found() const { return found_; }
  [[nodiscard]] Offset log_start() const { return log_start_; }

 private:
  [[nodiscard]] Found first_from(Timestamp time) const;
  [[nodiscard]] Found largest() const;
  [[nodiscard]] Found first_record(const Segment& segment, const BatchAt& batch,
                                   Timestamp at_least) const;

  FilesBeside files_;
  Offset log_start_;
  Wanted wanted_;
  Found found_;
};

}  // namespace dohle::log
