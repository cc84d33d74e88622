#include "wire/messages/describe_groups.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(DescribeGroupsRequest);
DOHLE_WIRE_INSTANTIATE(DescribeGroupsResponse);

}  // namespace dohle::wire
