#include "wire/messages/join_group.hpp"

#include <utility>

#include "node/limits.hpp"
#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

constexpr std::int16_t first_version_with_rebalance_timeout = 1;
constexpr std::int16_t first_version_with_member_id_required = 4;
constexpr std::int16_t first_version_with_null_protocol = 7;
constexpr std::int16_t first_version_with_skip_assignment = 9;

JoinRequest request_of(const Call& call, wire::JoinGroupRequest from) {
  JoinRequest request;
  request.group_id = std::move(from.group_id);
  request.member_id = std::move(from.member_id);
  request.instance_id = std::move(from.group_instance_id);
  request.client_id = call.client_id;
  request.client_host = "/" + call.peer.substr(0, call.peer.rfind(':'));
  request.protocol_type = std::move(from.protocol_type);
  // Copies the metadata, so that a member does not keep the whole request in memory.
  for (const auto& protocol : from.protocols) {
    request.protocols.push_back({protocol.name, Slice::copy_of(protocol.metadata.bytes())});
  }
  request.session_timeout = std::chrono::milliseconds(from.session_timeout_ms);
  request.rebalance_timeout = std::chrono::milliseconds(
      call.version < first_version_with_rebalance_timeout ? from.session_timeout_ms
                                                          : from.rebalance_timeout_ms);
  request.needs_known_member_id = call.version >= first_version_with_member_id_required;
  request.can_skip_assignment = call.version >= first_version_with_skip_assignment;
  return request;
}

wire::JoinGroupResponse response_of(AnswerJoin answer, std::int16_t version) {
  wire::JoinGroupResponse response;
  response.error_code = answer.error;
  response.generation_id = answer.generation;
  response.protocol_type = std::move(answer.protocol_type);
  response.protocol_name = std::move(answer.protocol);
  if (!response.protocol_name && version < first_version_with_null_protocol) {
    response.protocol_name = std::string();
  }
  response.leader = std::move(answer.leader);
  response.skip_assignment = answer.skip_assignment;
  response.member_id = std::move(answer.member_id);
  response.members.reserve(answer.members.size());
  for (JoinedMember& member : answer.members) {
    response.members.push_back(
        {std::move(member.id), std::move(member.instance_id), std::move(member.metadata)});
  }
  return response;
}

}  // namespace

void handle(Call& call, wire::JoinGroupRequest request) {
  const Parts<Dispatcher, GroupService> node = call.node;
  // One protocol above the limit is enough for the refusal.
  if (request.protocols.size() > limits::max_member_protocols) {
    auto all = std::exchange(request.protocols, {});
    request.protocols.assign(all.begin(), all.begin() + limits::max_member_protocols + 1);
    drop_beside(node.get<Dispatcher>(), std::move(all));
  }
  node.get<GroupService>().join(
      request_of(call, std::move(request)), [responder = call.responder](AnswerJoin answer) {
        responder.answer(response_of(std::move(answer), responder.version()));
      });
}

}  // namespace dohle::node
