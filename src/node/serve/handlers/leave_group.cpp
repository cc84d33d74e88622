#include "wire/messages/leave_group.hpp"

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

constexpr std::int16_t first_version_with_several = 3;

}  // namespace

void handle(Call& call, wire::LeaveGroupRequest request) {
  std::vector<GroupCoordinator::Leaver> leavers;
  if (call.version < first_version_with_several) {
    leavers.push_back({std::move(request.member_id), std::nullopt});
  }
  for (auto& member : request.members) {
    leavers.push_back({std::move(member.member_id), std::move(member.group_instance_id)});
  }
  auto asked = leavers;
  const Parts<GroupService> node = call.node;
  node.get<GroupService>().leave(
      request.group_id, std::move(asked),
      [responder = call.responder, leavers = std::move(leavers)](
          const std::vector<std::int16_t>& errors, std::int16_t error) {
        wire::LeaveGroupResponse response;
        response.error_code = error;
        if (responder.version() < first_version_with_several) {
          if (error == broker_error::none) response.error_code = errors.front();
          return responder.answer(response);
        }
        for (std::size_t i = 0; error == broker_error::none && i < leavers.size(); ++i) {
          response.members.push_back({leavers[i].member_id, leavers[i].instance_id, errors[i]});
        }
        responder.answer(response);
      });
}

}  // namespace dohle::node
