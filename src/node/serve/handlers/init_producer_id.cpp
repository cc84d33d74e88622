#include "wire/messages/init_producer_id.hpp"

#include "node/serve/handlers/handlers.hpp"
#include "node/serve/handlers/no_transactions.hpp"

namespace dohle::node {

void handle(Call& call, wire::InitProducerIdRequest request) {
  wire::InitProducerIdResponse response;
  // There are no transactions here; to an idempotent producer a new id is as good as a new epoch.
  if (request.transactional_id) {
    response.error_code = transactions_refused;
    complain_of_transactions(call);
    return call.responder.answer(response);
  }
  const auto id = call.engine.topics().next_producer_id();
  if (id) {
    response.producer_id = *id;
    response.producer_epoch = ProducerEpoch{0};
  } else {
    response.error_code = broker_error::coordinator_load_in_progress;  // cured by another try
  }
  call.responder.answer(response);
}

}  // namespace dohle::node
