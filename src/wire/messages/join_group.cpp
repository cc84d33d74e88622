#include "wire/messages/join_group.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(JoinGroupRequest);
DOHLE_WIRE_INSTANTIATE(JoinGroupResponse);

}  // namespace dohle::wire
