#pragma once

#include <memory>

#include "client/cluster/shared_client.hpp"
#include "client/consume/read_from_first.hpp"
#include "dohle/consumer.hpp"

namespace dohle::client {

/// Errors: configuration; names the option, its value and its range. Any thread.
[[nodiscard]] Result<Consumer> make_consumer(std::shared_ptr<Client::Shared> client,
                                             ConsumerOptions options,
                                             IsReadFromFirst is_read_from_first = nullptr);

}  // namespace dohle::client
