#include "wire/messages/sasl_authenticate.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(SaslAuthenticateRequest);
DOHLE_WIRE_INSTANTIATE(SaslAuthenticateResponse);

}  // namespace dohle::wire
