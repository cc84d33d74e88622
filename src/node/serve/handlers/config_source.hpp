#pragma once

#include <cstdint>

namespace dohle::node::config_source {

// Kafka's numbers for the source of a setting's value (KIP-226).
inline constexpr std::int8_t topic = 1, broker_file = 4, default_value = 5;

}  // namespace dohle::node::config_source
