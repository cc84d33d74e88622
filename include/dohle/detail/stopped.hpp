#pragma once

#include <string>

#include "dohle/error.hpp"

namespace dohle::messaging {

/// The error of a call whose stop token requested its end.
[[nodiscard]] inline Error stopped(const char* what) {
  return Error::client(Errc::cancelled, std::string("a stop was requested: ") + what);
}

}  // namespace dohle::messaging
