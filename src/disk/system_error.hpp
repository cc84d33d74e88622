#pragma once

#include <cerrno>
#include <string_view>

#include "dohle/error.hpp"

namespace dohle::disk {

/// The Error for errno `number` from `operation` on `path`.
[[nodiscard]] Error system_error(int number, std::string_view operation, std::string_view path);

/// Repeats `call` while a signal interrupts it.
template <class Call>
auto uninterrupted(Call&& call) {
  auto outcome = call();
  while (outcome == -1 && errno == EINTR) outcome = call();
  return outcome;
}

}  // namespace dohle::disk
