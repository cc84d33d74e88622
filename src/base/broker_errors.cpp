#include "base/broker_errors.hpp"

namespace dohle {

const BrokerErrorInfo* find_broker_error(std::int16_t) { return nullptr; }

}  // namespace dohle
