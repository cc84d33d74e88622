#include "wire/messages/list_groups.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(ListGroupsRequest);
DOHLE_WIRE_INSTANTIATE(ListGroupsResponse);

}  // namespace dohle::wire
