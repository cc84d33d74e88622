#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dohle/error.hpp"
#include "dohle/ids.hpp"

namespace dohle {

/// The longest name of a topic, in bytes.
inline constexpr std::size_t max_topic_name_bytes = 249;

/// The reason why Kafka refuses a topic name.
enum class TopicNameFault : std::uint8_t { none, empty, directory, too_long, other_characters };

/// Checks a name by the rule of Apache Kafka's class Topic: 1 to 249 ASCII letters, digits, '.',
/// '_' and '-', but neither "." nor "..".
[[nodiscard]] TopicNameFault fault_of_topic_name(std::string_view name);

/// As fault_of_topic_name, as an error: invalid_argument, which quotes the name and its fault, also
/// if it looks like a pattern.
[[nodiscard]] Result<void> check_topic_name(std::string_view name);

/// The name with '_' for each '.'. Two topics may not have names that are equal in this form, since
/// Kafka's metrics cannot tell them apart.
[[nodiscard]] std::string undotted(std::string_view name);

/// "orders-0": the name of a partition in log lines and errors, and of its directory.
[[nodiscard]] std::string partition_name(std::string_view topic, PartitionId partition);

}  // namespace dohle
