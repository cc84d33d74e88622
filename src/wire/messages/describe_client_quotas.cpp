#include "wire/messages/describe_client_quotas.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(DescribeClientQuotasRequest);
DOHLE_WIRE_INSTANTIATE(DescribeClientQuotasResponse);

}  // namespace dohle::wire
