#pragma once

#include <mutex>
#include <utility>

#include "base/assert.hpp"
#include "base/time.hpp"
#include "base/wait_point.hpp"

namespace dohle {

/// Admits one call at a time, with a deadline in the time of the calling thread's world. For long
/// calls: a mutex held during one would stop a simulated world. Thread safety: any thread.
class TimedGate {
 public:
  /// Leaves the gate when it is destroyed.
  class Pass {
   public:
    Pass() = default;
    explicit Pass(TimedGate& gate) : gate_(&gate) {}
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&& other) noexcept {
      std::swap(gate_, other.gate_);
      return *this;
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    ~Pass() {
      if (gate_ != nullptr) gate_->leave();
    }
    /// True if the call was admitted.
    explicit operator bool() const { return gate_ != nullptr; }

   private:
    TimedGate* gate_ = nullptr;
  };

  /// Waits until no other call is inside. The Pass is false if `deadline` has passed.
  [[nodiscard]] Pass enter_until(TimePoint deadline) {
    std::unique_lock lock(mutex_);
    if (!left_.wait_until(lock, deadline, [this] { return !is_taken_; })) return {};
    is_taken_ = true;
    return Pass(*this);
  }
  /// Never waits. The Pass is false if another call is inside.
  [[nodiscard]] Pass try_enter() {
    const std::lock_guard lock(mutex_);
    if (std::exchange(is_taken_, true)) return {};
    return Pass(*this);
  }

 private:
  void leave() {
    const std::lock_guard lock(mutex_);
    DOHLE_ASSERT(is_taken_, "a call leaves a gate that none has entered");
    is_taken_ = false;
    left_.notify_one();
  }

  std::mutex mutex_;
  WaitPoint left_;
  bool is_taken_ = false;
};

}  // namespace dohle
