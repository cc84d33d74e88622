#pragma once

#include <string_view>

#include "dohle/error.hpp"
#include "dohle/export.hpp"

namespace dohle::messaging {

/// The exception that is being handled, as a handler_failed error: "`who` threw: …". Call it inside
/// a catch block.
[[nodiscard]] DOHLE_API Error thrown_by(std::string_view who);

}  // namespace dohle::messaging
