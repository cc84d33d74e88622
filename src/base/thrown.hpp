#pragma once

#include <exception>
#include <string>

namespace dohle {

/// The exception that is being handled, in words. Call it inside a catch block.
[[nodiscard]] inline std::string text_of_thrown() {
  try {
    throw;
  } catch (const std::exception& thrown) {
    return thrown.what();
  } catch (...) {
    return "an object that is no std::exception";
  }
}

}  // namespace dohle
