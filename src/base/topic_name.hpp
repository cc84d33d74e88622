#pragma once

#include <string_view>

#include "dohle/error.hpp"

namespace dohle {

/// The longest name of a topic, in bytes.
inline constexpr std::size_t max_topic_name_bytes = 249;

/// Whether Kafka takes this as the name of a topic: 1 to 249 letters, digits, '.', '_' and '-' of
/// ASCII, and neither "." nor "..".
/// Errors: invalid_argument, which quotes the name and says what is wrong with it.
[[nodiscard]] Result<void> check_topic_name(std::string_view name);

}  // namespace dohle
