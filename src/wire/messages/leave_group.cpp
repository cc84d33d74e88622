#include "wire/messages/leave_group.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(LeaveGroupRequest);
DOHLE_WIRE_INSTANTIATE(LeaveGroupResponse);

}  // namespace dohle::wire
