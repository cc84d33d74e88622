#include "wire/messages/heartbeat.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(HeartbeatRequest);
DOHLE_WIRE_INSTANTIATE(HeartbeatResponse);

}  // namespace dohle::wire
