#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "client/cluster/shared_client.hpp"
#include "dohle/consumer.hpp"

namespace dohle::client {

/// Whether a topic begins at its first record where options.offset_reset would apply. Called under
/// the consumer's lock, on the loop and inside its calls.
using IsReadFromFirst = std::function<bool(std::string_view topic)>;

/// Errors: configuration; names the option, its value and its range. Any thread.
[[nodiscard]] Result<Consumer> make_consumer(std::shared_ptr<Client::Shared> client,
                                             ConsumerOptions options,
                                             IsReadFromFirst is_read_from_first = nullptr);

}  // namespace dohle::client
