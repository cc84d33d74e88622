#pragma once

#include <string>
#include <vector>

#include "dohle/broker.hpp"
#include "dohle/kafka.hpp"

namespace dohle::messaging {

/// The names of the options whose values `changes` would change, separated by commas. Functions
/// cannot be compared, so setting one counts as a change.
[[nodiscard]] std::string changed_options(const kafka::BrokerOptions& options,
                                          const std::vector<BrokerOption>& changes);

}  // namespace dohle::messaging
