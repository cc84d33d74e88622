#include "wire/messages/init_producer_id.hpp"

#include "node/serve/handlers/handlers.hpp"
#include "node/serve/handlers/no_transactions.hpp"

namespace dohle::node {

void handle(Call& call, wire::InitProducerIdRequest request) {
  // The node has no transactions. For an idempotent producer a new id is as good as a new epoch.
  if (request.transactional_id) {
    wire::InitProducerIdResponse response;
    response.error_code = transactions_refused;
    complain_of_transactions(call);
    return call.responder.answer(response);
  }
  const Parts<Storage> node = call.node;
  node.get<Storage>().topics().next_producer_id(
      [responder = call.responder](Result<ProducerId> id) {
        wire::InitProducerIdResponse answer;
        if (id) {
          answer.producer_id = *id;
          answer.producer_epoch = ProducerEpoch{0};
        } else {
          answer.error_code = broker_error::coordinator_load_in_progress;  // the client may retry
        }
        responder.answer(answer);
      });
}

}  // namespace dohle::node
