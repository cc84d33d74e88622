#include "wire/messages/describe_groups.hpp"

#include <set>

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using Described = wire::DescribeGroupsResponse::DescribedGroup;

constexpr std::int16_t first_version_with_not_found = 6;

Described missing(const std::string& id, std::int16_t version) {
  Described described;
  described.group_id = id;
  described.group_state = "Dead";
  if (version >= first_version_with_not_found) {
    described.error_code = broker_error::group_id_not_found;
    described.error_message = "there is no group " + id;
  }
  return described;
}

Described describe(const ClassicGroup& group) {
  Described described;
  described.group_id = group.id();
  described.group_state = to_string(group.state());
  described.protocol_type = group.protocol_type();
  const bool is_stable = group.state() == ClassicGroup::State::stable;
  if (is_stable) described.protocol_data = group.protocol().value_or("");
  described.members.reserve(group.members().size());
  for (const auto& [id, from] : group.members()) {
    auto& member = described.members.emplace_back();
    member.member_id = id;
    member.group_instance_id = from.instance_id;
    member.client_id = from.client_id;
    member.client_host = from.client_host;
    if (!is_stable) continue;
    member.member_metadata = group.metadata_of(from);
    member.member_assignment = from.assignment;
  }
  return described;
}

}  // namespace

void handle(Call& call, wire::DescribeGroupsRequest request) {
  const Parts<Dispatcher, GroupService> node = call.node;
  // Answers each group once: an answer may be large, but a repeated name takes few bytes.
  node.get<Dispatcher>().go_on(
      call.responder.session(),
      [&groups = node.get<GroupService>(), &dispatcher = node.get<Dispatcher>(),
       responder = call.responder, request = std::move(request),
       response = wire::DescribeGroupsResponse(), answered = std::set<std::string>(),
       next = std::size_t{0}]() mutable {
        if (next == request.groups.size()) {
          const std::size_t count = response.groups.size();
          answer_beside(dispatcher, responder, std::move(response), count);
          return Progress::answered;
        }
        const std::string& id = request.groups[next++];
        if (!answered.insert(id).second) return Progress::more;
        const ClassicGroup* group = groups.coordinator().find(id);
        Described described =
            group == nullptr ? missing(id, responder.version()) : describe(*group);
        if (const auto refused = groups.refusal()) described.error_code = refused;
        if (request.include_authorized_operations)
          described.authorized_operations = may::with_group;
        response.groups.push_back(std::move(described));
        return Progress::more;
      });
}

}  // namespace dohle::node
