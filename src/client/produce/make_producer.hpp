#pragma once

#include <memory>

#include "client/cluster/shared_client.hpp"
#include "client/produce/outcome.hpp"
#include "client/produce/producer_group.hpp"
#include "dohle/producer.hpp"

namespace dohle::client {

/// Producers of one `group` share its memory, in place of buffer_bytes; null: none. Unless
/// `on_untaken` is null, it is called in place of on_untaken_failure. Errors: configuration; names
/// the option, its value and its range. Any thread.
[[nodiscard]] Result<Producer> make_producer(std::shared_ptr<Client::Shared> client,
                                             ProducerOptions options,
                                             std::shared_ptr<ProducerGroup> group = nullptr,
                                             UntakenHandler on_untaken = nullptr);

}  // namespace dohle::client
