#pragma once

#include <string>

#include "dohle/consumer.hpp"

namespace dohle::client {

// What the messaging API asks of a Consumer beyond its public calls.

/// Whether the topic replaced another one of its name since the consumer subscribed to it or got
/// partitions of it by hand. False for a consumer that was moved from. Any thread.
[[nodiscard]] bool was_made_again(const Consumer& consumer, const std::string& topic);

}  // namespace dohle::client
