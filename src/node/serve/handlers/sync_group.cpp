#include "wire/messages/sync_group.hpp"

#include "node/limits.hpp"
#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

std::size_t assigned_bytes(const wire::SyncGroupRequest& request) {
  std::size_t bytes = 0;
  for (const auto& assigned : request.assignments) {
    bytes += assigned.member_id.size() + assigned.assignment.size();
  }
  return bytes;
}

// The answer has no field for a message. The group is unchanged, so its leader may send less.
void refuse(Call& call, const wire::SyncGroupRequest& request, std::size_t bytes) {
  call.node.lines.complain("the assignments of group " + shortened(request.group_id) +
                           " are refused: " + std::to_string(bytes) + " bytes, and at most " +
                           std::to_string(limits::max_group_assignment_bytes) +
                           " are allowed (max_group_assignment_bytes)");
  wire::SyncGroupResponse response;
  response.error_code = broker_error::invalid_request;
  call.responder.answer(response);
}

}  // namespace

void handle(Call& call, wire::SyncGroupRequest from) {
  if (from.assignments.size() > limits::max_group_members) {
    wire::SyncGroupResponse response;
    response.error_code = broker_error::invalid_request;
    call.responder.answer(response);
    return drop_beside(call.node, std::move(from));
  }
  if (const std::size_t bytes = assigned_bytes(from); bytes > limits::max_group_assignment_bytes) {
    return refuse(call, from, bytes);
  }
  SyncRequest request;
  request.group_id = std::move(from.group_id);
  request.generation = from.generation_id;
  request.member_id = std::move(from.member_id);
  request.instance_id = std::move(from.group_instance_id);
  request.protocol_type = std::move(from.protocol_type);
  request.protocol = std::move(from.protocol_name);
  // Copies the assignments, so that the group does not keep the whole request in memory.
  for (const auto& assigned : from.assignments) {
    request.assignments[assigned.member_id] = Slice::copy_of(assigned.assignment.bytes());
  }
  call.node.groups.sync(std::move(request), [responder = call.responder](const AnswerSync& answer) {
    wire::SyncGroupResponse response;
    response.error_code = answer.error;
    response.protocol_type = answer.protocol_type;
    response.protocol_name = answer.protocol;
    response.assignment = answer.assignment;
    responder.answer(response);
  });
}

}  // namespace dohle::node
