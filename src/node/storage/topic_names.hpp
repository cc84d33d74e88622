#pragma once

#include <string>
#include <string_view>

#include "dohle/error.hpp"

namespace dohle::node {

/// Checks a name by the rule of base/topic_name.hpp. Names of topics that are already on disk are
/// not checked. Errors: broker error 17 with the message of Apache Kafka.
[[nodiscard]] Result<void> check_topic_name(std::string_view name);

}  // namespace dohle::node
