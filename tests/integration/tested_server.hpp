#pragma once

#include <string>

namespace dohle {

/// The address of the server under test. Tests that use it run twice: at a node (tested_node.cpp)
/// and at Apache Kafka 4.3.1 (tested_apache.cpp).
[[nodiscard]] const std::string& tested_address();

}  // namespace dohle
