#pragma once

#include <memory>

#include "dohle/kafka.hpp"
#include "dohle/logger.hpp"

namespace dohle::messaging {

/// The one logger that the broker's four options about logging make.
[[nodiscard]] std::shared_ptr<Logger> split_logger(const kafka::BrokerOptions& options);

}  // namespace dohle::messaging
