#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dohle/broker_options.hpp"

namespace dohle::messaging {

// WriterConfig and ReaderConfig. Fields that a member means move into it; the others stay, and are
// agreed with or refused by a check.

void take_configs(kafka::BrokerOptions& options);
void take_configs(SubscribeOptions& options);

/// Errors: configuration, with the field and the reason, for fields that take_configs has left.
[[nodiscard]] Result<void> check_configs(const kafka::BrokerOptions& options);
/// `addresses` are the Broker's.
[[nodiscard]] Result<void> check_configs(const SubscribeOptions& options, std::string_view topic,
                                         const std::vector<std::string>& addresses);

}  // namespace dohle::messaging
