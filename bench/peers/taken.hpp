#pragma once

#include <string_view>
#include <type_traits>
#include <utility>

#include "dohle/error.hpp"
#include "failing.hpp"

/// The result's value. Ends the program with its error, behind `what` if that is given.
template <class T>
T take(dohle::Result<T> result, std::string_view what = {}) {
  if (!result) {
    fail(fmt::format("{}{}{}", what, what.empty() ? "" : ": ", result.error().to_string()));
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}
