#include "wire/messages/sync_group.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(SyncGroupRequest);
DOHLE_WIRE_INSTANTIATE(SyncGroupResponse);

}  // namespace dohle::wire
