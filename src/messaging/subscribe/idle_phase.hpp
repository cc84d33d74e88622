#pragma once

#include <chrono>
#include <optional>

#include "base/time.hpp"

namespace dohle::messaging {

/// Says when a subscription has been idle for long enough: partitions are assigned and no message
/// comes. Decides only: it reads no clock. Not thread safe.
class IdlePhase {
 public:
  /// If `after` is absent, no idle phase begins.
  explicit IdlePhase(std::optional<std::chrono::milliseconds> after) : after_(after) {}

  /// The assignment has changed. Only the first partitions begin an idle phase.
  void on_partitions(bool has_any, TimePoint now) {
    if (!has_any) return since_.reset();
    if (since_) return;
    since_ = now;
    is_told_ = false;
  }
  /// A message was read, waits for a handler or is being handled.
  void on_message(TimePoint now) {
    if (!since_) return;
    since_ = now;
    is_told_ = false;
  }

  /// The next time at which take_due may return true.
  [[nodiscard]] TimePoint next_time() const {
    return after_ && since_ && !is_told_ ? *since_ + *after_ : never;
  }
  /// True once per idle phase.
  [[nodiscard]] bool take_due(TimePoint now) {
    if (now < next_time()) return false;
    is_told_ = true;
    return true;
  }

 private:
  const std::optional<std::chrono::milliseconds> after_;
  /// It is absent while no partition is assigned.
  std::optional<TimePoint> since_;
  bool is_told_ = false;
};

}  // namespace dohle::messaging
