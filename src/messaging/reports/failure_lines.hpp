#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "dohle/broker.hpp"

namespace dohle::messaging {

/// Decides which failures become log lines: one per kind and second. Suppressed failures are
/// counted, and their offsets are kept as ranges, for at most 8 partitions of each kind. Not thread
/// safe.
class FailureLines {
 public:
  /// Absent if the failure is suppressed. Otherwise the end of its line, which reports the failures
  /// suppressed before it.
  [[nodiscard]] std::optional<std::string> admit(const Failure& failure, TimePoint now);
  /// Lines for the suppressed failures of each kind that may have a line by `now`.
  [[nodiscard]] std::vector<std::string> take_left_out(TimePoint now);

 private:
  struct Range {
    std::string topic;
    PartitionId partition;
    Offset first, last;
    std::uint64_t count = 0;
  };
  struct Kind {
    TimePoint next = TimePoint::min();
    std::uint64_t left_out = 0;
    std::vector<Range> ranges;
  };
  static void leave_out(const Failure& failure, Kind& kind);
  /// "3 more failures of handlers: t-0 at offsets 4 to 9 (3)"; empty if there are none.
  static std::string take(Failure::Kind kind, Kind& of);

  std::array<Kind, 6> kinds_;
};

}  // namespace dohle::messaging
