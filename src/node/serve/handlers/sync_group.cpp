#include "wire/messages/sync_group.hpp"

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

void handle(Call& call, wire::SyncGroupRequest from) {
  SyncRequest request;
  request.group_id = std::move(from.group_id);
  request.generation = from.generation_id;
  request.member_id = std::move(from.member_id);
  request.instance_id = std::move(from.group_instance_id);
  request.protocol_type = std::move(from.protocol_type);
  request.protocol = std::move(from.protocol_name);
  // Copied, so that the group does not keep the whole request in memory.
  for (const auto& assigned : from.assignments) {
    request.assignments[assigned.member_id] = Slice::copy_of(assigned.assignment.bytes());
  }
  call.engine.groups().sync(
      std::move(request),
      [responder = call.responder](const AnswerSync& answer) {
        wire::SyncGroupResponse response;
        response.error_code = answer.error;
        response.protocol_type = answer.protocol_type;
        response.protocol_name = answer.protocol;
        response.assignment = answer.assignment;
        responder.answer(response);
      },
      call.now);
}

}  // namespace dohle::node
