#include "wire/messages/sync_group.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "node/limits.hpp"
#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using Needed = Parts<Dispatcher, GroupService, Lines>;

constexpr std::size_t assignments_of_slice = 500;

std::size_t assigned_bytes(const wire::SyncGroupRequest& request) {
  std::size_t bytes = 0;
  for (const auto& assigned : request.assignments) {
    bytes += assigned.member_id.size() + assigned.assignment.size();
  }
  return bytes;
}

// The answer has no field for a message. The group is unchanged, so its leader may send less.
void refuse(const Needed& node, const Call& call, const wire::SyncGroupRequest& request,
            std::size_t bytes) {
  node.get<Lines>().complain("the assignments of group " + shortened(request.group_id) +
                             " are refused: " + std::to_string(bytes) + " bytes, and at most " +
                             std::to_string(limits::max_group_assignment_bytes) +
                             " are allowed (max_group_assignment_bytes)");
  wire::SyncGroupResponse response;
  response.error_code = broker_error::invalid_request;
  call.responder.answer(response);
}

// Takes over the assignments in pieces. The group's own part is in a turn of its own then.
class Assigning {
 public:
  Assigning(const Needed& node, const Call& call, wire::SyncGroupRequest from)
      : groups_(node.get<GroupService>()), responder_(call.responder), from_(std::move(from)) {
    request_.group_id = std::move(from_.group_id);
    request_.generation = from_.generation_id;
    request_.member_id = std::move(from_.member_id);
    request_.instance_id = std::move(from_.group_instance_id);
    request_.protocol_type = std::move(from_.protocol_type);
    request_.protocol = std::move(from_.protocol_name);
    request_.assignments.reserve(from_.assignments.size());
  }

  Progress go_on() {
    if (next_ < from_.assignments.size()) {
      take_some();
      return Progress::more;
    }
    sort(request_.assignments);
    groups_.sync(std::move(request_), [responder = responder_](const AnswerSync& answer) {
      wire::SyncGroupResponse response;
      response.error_code = answer.error;
      response.protocol_type = answer.protocol_type;
      response.protocol_name = answer.protocol;
      response.assignment = answer.assignment;
      responder.answer(response);
    });
    return Progress::answered;
  }

 private:
  // Copies the assignments, so that the group does not keep the whole request in memory.
  void take_some() {
    const std::size_t end = std::min(next_ + assignments_of_slice, from_.assignments.size());
    for (; next_ < end; ++next_) {
      auto& assigned = from_.assignments[next_];
      request_.assignments.push_back(
          {std::move(assigned.member_id), Slice::copy_of(assigned.assignment.bytes())});
    }
  }

  GroupService& groups_;
  Responder responder_;
  wire::SyncGroupRequest from_;
  SyncRequest request_;
  std::size_t next_ = 0;
};

}  // namespace

void handle(Call& call, wire::SyncGroupRequest from) {
  const Needed node = call.node;
  if (from.assignments.size() > limits::max_group_members) {
    wire::SyncGroupResponse response;
    response.error_code = broker_error::invalid_request;
    call.responder.answer(response);
    return drop_beside(node.get<Dispatcher>(), std::move(from));
  }
  if (const std::size_t bytes = assigned_bytes(from); bytes > limits::max_group_assignment_bytes) {
    return refuse(node, call, from, bytes);
  }
  serve_in_slices(node.get<Dispatcher>(), call.responder,
                  std::make_shared<Assigning>(node, call, std::move(from)));
}

}  // namespace dohle::node
