#pragma once

#include <cstddef>
#include <utility>

#include "dohle/export.hpp"

namespace dohle::messaging {

struct EventState;

/// A counted reference to one delivery of a message. The count is part of the delivery, whose
/// memory returns to its subscription's pool with the last reference. Thread safety: as
/// std::shared_ptr.
class DOHLE_API EventPointer {
 public:
  EventPointer() = default;
  EventPointer(std::nullptr_t) {}
  /// Takes over one count. Null makes an empty pointer.
  [[nodiscard]] static EventPointer adopt(EventState* state) noexcept {
    EventPointer made;
    made.state_ = state;
    return made;
  }
  EventPointer(const EventPointer& other) noexcept : state_(other.state_) {
    if (state_ != nullptr) add(*state_);
  }
  EventPointer(EventPointer&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  EventPointer& operator=(EventPointer other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~EventPointer() {
    if (state_ != nullptr) drop(*state_);
  }

  [[nodiscard]] EventState* get() const { return state_; }
  [[nodiscard]] EventState& operator*() const { return *state_; }
  [[nodiscard]] EventState* operator->() const { return state_; }
  explicit operator bool() const { return state_ != nullptr; }
  void reset() { *this = EventPointer(); }
  /// Gives its count to the caller, which `adopt` takes.
  [[nodiscard]] EventState* release() noexcept { return std::exchange(state_, nullptr); }
  friend bool operator==(const EventPointer&, const EventPointer&) = default;

 private:
  static void add(EventState& state) noexcept;
  static void drop(EventState& state) noexcept;
  EventState* state_ = nullptr;
};

}  // namespace dohle::messaging
