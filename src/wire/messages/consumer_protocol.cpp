#include "wire/messages/consumer_protocol.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(ConsumerProtocolSubscription);
DOHLE_WIRE_INSTANTIATE(ConsumerProtocolAssignment);

}  // namespace dohle::wire
