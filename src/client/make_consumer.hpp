#pragma once

#include <memory>

#include "client/client_core.hpp"
#include "dohle/consumer.hpp"

namespace dohle::client {

/// Errors: configuration (names the option, its value and what is allowed). Any thread.
[[nodiscard]] Result<Consumer> make_consumer(std::shared_ptr<Client::Core> client,
                                             ConsumerOptions options);

}  // namespace dohle::client
