#pragma once

#include <memory>

#include "client/cluster/shared_client.hpp"
#include "dohle/producer.hpp"

namespace dohle::client {

/// Errors: configuration; names the option, its value and its range. Any thread.
[[nodiscard]] Result<Producer> make_producer(std::shared_ptr<Client::Shared> client,
                                             ProducerOptions options);

}  // namespace dohle::client
