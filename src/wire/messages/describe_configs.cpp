#include "wire/messages/describe_configs.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(DescribeConfigsRequest);
DOHLE_WIRE_INSTANTIATE(DescribeConfigsResponse);

}  // namespace dohle::wire
