#pragma once

#include <memory>

#include "dohle/kafka.hpp"
#include "dohle/logger.hpp"

namespace dohle::messaging {

/// One logger made of the broker's four logging options.
[[nodiscard]] std::shared_ptr<Logger> split_logger(const kafka::BrokerOptions& options);

}  // namespace dohle::messaging
