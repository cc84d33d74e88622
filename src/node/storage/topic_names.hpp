#pragma once

#include <string>
#include <string_view>

#include "dohle/error.hpp"

namespace dohle::node {

/// Whether a topic may have that name, by Apache Kafka's rules (its class Topic): 1 to 249 ASCII
/// letters, digits, '.', '_' and '-', and neither "." nor "..". Topics that are on a disk already
/// are opened whatever their names. Errors: broker error 17, which says what is not allowed.
[[nodiscard]] Result<void> check_topic_name(std::string_view name);

/// The name with '_' for each '.'. Two topics may not have names that are equal in this form:
/// metrics of Kafka write one for the other.
[[nodiscard]] std::string undotted(std::string_view name);

}  // namespace dohle::node
