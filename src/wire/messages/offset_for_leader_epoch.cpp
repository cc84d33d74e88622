#include "wire/messages/offset_for_leader_epoch.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(OffsetForLeaderEpochRequest);
DOHLE_WIRE_INSTANTIATE(OffsetForLeaderEpochResponse);

}  // namespace dohle::wire
