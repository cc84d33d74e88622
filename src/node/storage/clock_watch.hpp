#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/time.hpp"

namespace dohle::node {

/// Detects that the wall clock was set forward: that it gained more than `limits::max_clock_lead`
/// on the monotonic clock. Deletion by age then uses the old time for `limits::clock_lead_wait`, so
/// that the clock can be corrected before records are deleted. A clock that is set back is believed
/// at once, since nothing is deleted by that. Reads no clock.
class ClockWatch {
 public:
  /// Compares the two clocks; called every few seconds. Returns a log line if the result changed.
  std::optional<std::string> look(Now now);
  /// `now` with the wall time that deletion by age may use.
  [[nodiscard]] Now believed(Now now) const;

 private:
  /// The lead of the wall clock over the monotonic one, in milliseconds.
  [[nodiscard]] static std::chrono::milliseconds lead_of(Now now);

  std::optional<std::chrono::milliseconds> believed_lead_;
  /// Set while the clock is doubted: the time at which it is believed nevertheless, and its lead at
  /// the start of the doubt.
  struct Doubt {
    TimePoint until;
    std::chrono::milliseconds lead;
  };
  std::optional<Doubt> doubt_;
};

}  // namespace dohle::node
