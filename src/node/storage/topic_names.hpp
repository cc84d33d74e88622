#pragma once

#include <string>
#include <string_view>

#include "dohle/error.hpp"

namespace dohle::node {

/// The rule of base/topic_name.hpp, as a server says it. Topics that are on a disk already are
/// opened whatever their names. Errors: broker error 17, which says what is not allowed in the
/// words of Apache Kafka.
[[nodiscard]] Result<void> check_topic_name(std::string_view name);

}  // namespace dohle::node
