#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dohle/error.hpp"

namespace dohle {

/// The longest name of a topic, in bytes.
inline constexpr std::size_t max_topic_name_bytes = 249;

/// Why Kafka does not take a name for a topic.
enum class TopicNameFault : std::uint8_t { none, empty, directory, too_long, other_characters };

/// The one rule, that of Apache Kafka's class Topic: 1 to 249 letters, digits, '.', '_' and '-' of
/// ASCII, and neither "." nor "..".
[[nodiscard]] TopicNameFault fault_of_topic_name(std::string_view name);

/// The same for a call. Errors: invalid_argument, which quotes the name and says what is wrong with
/// it, also where it is meant as a pattern.
[[nodiscard]] Result<void> check_topic_name(std::string_view name);

/// The name with '_' for each '.'. Two topics may not have names that are equal in this form:
/// metrics of Kafka write one for the other.
[[nodiscard]] std::string undotted(std::string_view name);

}  // namespace dohle
