#include "wire/messages/describe_user_scram_credentials.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(DescribeUserScramCredentialsRequest);
DOHLE_WIRE_INSTANTIATE(DescribeUserScramCredentialsResponse);

}  // namespace dohle::wire
