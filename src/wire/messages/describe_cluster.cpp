#include "wire/messages/describe_cluster.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(DescribeClusterRequest);
DOHLE_WIRE_INSTANTIATE(DescribeClusterResponse);

}  // namespace dohle::wire
