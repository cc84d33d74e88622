#pragma once

#include <memory>

#include "client/cluster/shared_client.hpp"
#include "client/produce/producer_group.hpp"
#include "dohle/producer.hpp"

namespace dohle::client {

/// Producers of one `group` share its memory, in place of buffer_bytes; null: none. Errors:
/// configuration; names the option, its value and its range. Any thread.
[[nodiscard]] Result<Producer> make_producer(std::shared_ptr<Client::Shared> client,
                                             ProducerOptions options,
                                             std::shared_ptr<ProducerGroup> group = nullptr);

}  // namespace dohle::client
