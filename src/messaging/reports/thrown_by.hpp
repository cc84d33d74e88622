#pragma once

#include <functional>
#include <string_view>
#include <utility>

#include "dohle/detail/thrown_by.hpp"

namespace dohle::messaging {

/// Turns an exception of `handler` into an error.
template <class Return, class... Arguments>
[[nodiscard]] std::function<Return(Arguments...)> guarded(
    std::function<Return(Arguments...)> handler, std::string_view who) {
  return [handler = std::move(handler), who](Arguments... arguments) -> Return {
    try {
      return handler(std::forward<Arguments>(arguments)...);
    } catch (...) {
      return fail(thrown_by(who));
    }
  };
}

}  // namespace dohle::messaging
