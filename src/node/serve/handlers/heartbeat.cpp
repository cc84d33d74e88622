#include "wire/messages/heartbeat.hpp"

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

void handle(Call& call, wire::HeartbeatRequest request) {
  const Parts<GroupService> node = call.node;
  wire::HeartbeatResponse response;
  response.error_code = node.get<GroupService>().heartbeat(request.group_id, request.member_id,
                                                           request.group_instance_id,
                                                           request.generation_id, call.now);
  call.responder.answer(response);
}

}  // namespace dohle::node
