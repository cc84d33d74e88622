#pragma once

#include <utility>

namespace dohle::client {

/// Constructs public handles and accesses their insides. It is their friend, so that users can do
/// neither.
struct HandleAccess {
  template <class Handle, class... Insides>
  [[nodiscard]] static Handle make(Insides&&... insides) {
    return Handle(std::forward<Insides>(insides)...);
  }
  template <class Handle>
  [[nodiscard]] static const auto& insides(const Handle& handle) {
    return handle.inside_;
  }
  /// The outcome of a Delivery; null if the Delivery is empty.
  template <class Handle>
  [[nodiscard]] static const auto* outcome(const Handle& handle) {
    return handle.outcome_;
  }
};

}  // namespace dohle::client
