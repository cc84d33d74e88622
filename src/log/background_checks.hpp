#pragma once

#include <vector>

#include "log/partition_log.hpp"

namespace dohle::log {

/// Checks bytes that no fetch has asked for since the start, one piece at a time. So damage is
/// noticed while copies still exist elsewhere, and serving is not disturbed. Owner's thread;
/// outlives the logs' checks.
class BackgroundChecks {
 public:
  static constexpr std::uint64_t bytes_per_second_default = std::uint64_t{64} << 20;
  static constexpr std::size_t piece_bytes = std::size_t{8} << 20;

  explicit BackgroundChecks(std::uint64_t bytes_per_second = bytes_per_second_default)
      : bytes_per_second_(bytes_per_second == 0 ? 1 : bytes_per_second) {}

  void add(PartitionLog& log) { logs_.push_back(&log); }
  /// Called before the log is destroyed.
  void remove(PartitionLog& log);
  /// Starts the next piece if it is due. Each piece waits for a call, so call it often.
  void tick(Now now);
  /// No log is left to check.
  [[nodiscard]] bool is_done() const { return logs_.empty(); }

 private:
  std::uint64_t bytes_per_second_;
  std::vector<PartitionLog*> logs_;
  PartitionLog* busy_ = nullptr;
  TimePoint next_;
};

}  // namespace dohle::log
