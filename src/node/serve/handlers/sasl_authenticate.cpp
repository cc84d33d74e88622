#include "wire/messages/sasl_authenticate.hpp"

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

// As for SaslHandshake.
void handle(Call& call, wire::SaslAuthenticateRequest /*request*/) {
  wire::SaslAuthenticateResponse response;
  response.error_code = broker_error::illegal_sasl_state;
  response.error_message = "SaslAuthenticate request received after successful authentication";
  call.responder.answer(response);
}

}  // namespace dohle::node
