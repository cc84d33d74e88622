#pragma once

#include <memory>

#include "client/cluster/shared_client.hpp"
#include "dohle/consumer.hpp"

namespace dohle::client {

/// Errors: configuration; names the option, its value and its range. Any thread.
[[nodiscard]] Result<Consumer> make_consumer(std::shared_ptr<Client::Shared> client,
                                             ConsumerOptions options);

}  // namespace dohle::client
