#include "wire/messages/sasl_handshake.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(SaslHandshakeRequest);
DOHLE_WIRE_INSTANTIATE(SaslHandshakeResponse);

}  // namespace dohle::wire
