#include "wire/messages/delete_groups.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(DeleteGroupsRequest);
DOHLE_WIRE_INSTANTIATE(DeleteGroupsResponse);

}  // namespace dohle::wire
