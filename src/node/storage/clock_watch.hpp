#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/time.hpp"

namespace dohle::node {

/// Notices that the wall clock was set forward, before anything is deleted by its time: by more
/// than `limits::max_clock_lead` further than the monotonic clock went. What deletes by age then
/// goes by the time as it was before for `limits::clock_lead_wait`, so that somebody can set the
/// clock right. A clock that is set back is believed at once, since nothing is deleted by that.
/// Reads no clock.
class ClockWatch {
 public:
  /// Looks at both clocks; called every few seconds. Returns a line for the log if something
  /// changed.
  std::optional<std::string> look(Now now);
  /// `now` with the wall time that deletion by age may use.
  [[nodiscard]] Now believed(Now now) const;

 private:
  /// What the wall clock shows beyond the monotonic one, in milliseconds.
  [[nodiscard]] static std::chrono::milliseconds lead_of(Now now);

  std::optional<std::chrono::milliseconds> believed_lead_;
  /// While the clock is doubted: when it is believed after all, and what it showed.
  struct Doubt {
    TimePoint until;
    std::chrono::milliseconds lead;
  };
  std::optional<Doubt> doubt_;
};

}  // namespace dohle::node
