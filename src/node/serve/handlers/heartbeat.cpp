#include "wire/messages/heartbeat.hpp"

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

void handle(Call& call, wire::HeartbeatRequest request) {
  wire::HeartbeatResponse response;
  response.error_code =
      call.node.groups.heartbeat(request.group_id, request.member_id, request.group_instance_id,
                                 request.generation_id, call.now);
  call.responder.answer(response);
}

}  // namespace dohle::node
