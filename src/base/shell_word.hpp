#pragma once

#include <string>
#include <string_view>

namespace dohle {

/// The word as a shell takes it, quoted if it has to be.
[[nodiscard]] std::string shell_word(std::string_view word);

}  // namespace dohle
