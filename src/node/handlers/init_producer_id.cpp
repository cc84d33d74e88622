#include "wire/messages/init_producer_id.hpp"

#include "node/handlers/handlers.hpp"

namespace dohle::node {

namespace {

void answer(Engine& engine, const Responder& responder, wire::InitProducerIdRequest request) {
  wire::InitProducerIdResponse response;
  // This node has no transactions; idempotent producers need no id of their own.
  if (request.transactional_id) {
    response.error_code = broker_error::invalid_request;
    return responder.answer(response);
  }
  const auto id = engine.topics().next_producer_id();
  if (!id) {
    response.error_code = wire_code(id.error());
    return responder.answer(response);
  }
  response.producer_id = *id;
  response.producer_epoch = ProducerEpoch{0};
  responder.answer(response);
}

}  // namespace

void handle_init_producer_id(Engine& engine, const Responder& responder, const Slice& body) {
  decoded<wire::InitProducerIdRequest, answer>(engine, responder, body);
}

}  // namespace dohle::node
