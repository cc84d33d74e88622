#include "node/storage/clock_watch.hpp"

#include <algorithm>
#include <utility>

#include "node/limits.hpp"

namespace dohle::node {

std::chrono::milliseconds ClockWatch::lead_of(Now now) {
  const auto mono =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.mono.time_since_epoch());
  return std::chrono::milliseconds(now.wall.value) - mono;
}

std::optional<std::string> ClockWatch::look(Now now) {
  const auto lead = lead_of(now);
  if (!believed_lead_) believed_lead_ = lead;
  if (lead - *believed_lead_ <= limits::max_clock_lead) {
    believed_lead_ = std::min(*believed_lead_, lead);
    if (!std::exchange(doubt_, std::nullopt)) return std::nullopt;
    return "the wall clock was set back: retention and expiry of offsets go on";
  }
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(limits::clock_lead_wait);
  if (!doubt_ || lead - doubt_->lead > limits::max_clock_lead) {
    doubt_ = Doubt{now.mono + limits::clock_lead_wait, lead};
    const auto hours = std::chrono::duration_cast<std::chrono::hours>(lead - *believed_lead_);
    return "the wall clock advanced " + std::to_string(hours.count()) +
           " h more than the monotonic one: retention and expiry of offsets pause for " +
           std::to_string(minutes.count()) +
           " minutes, then follow the new time; if it is wrong, set the clock back or stop the "
           "node";
  }
  if (now.mono < doubt_->until) return std::nullopt;
  doubt_.reset();
  believed_lead_ = lead;
  return "retention and expiry of offsets go on by the wall clock, which stayed ahead for " +
         std::to_string(minutes.count()) + " minutes";
}

Now ClockWatch::believed(Now now) const {
  if (doubt_) now.wall = Timestamp{now.wall.value - (lead_of(now) - *believed_lead_).count()};
  return now;
}

}  // namespace dohle::node
