#include "wire/messages/sasl_handshake.hpp"

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

// A login takes place in the doorway. This request came where none is asked for, or too soon after
// the last one.
void handle(Call& call, wire::SaslHandshakeRequest /*request*/) {
  wire::SaslHandshakeResponse response;
  response.error_code = broker_error::illegal_sasl_state;
  call.responder.answer(response);
}

}  // namespace dohle::node
