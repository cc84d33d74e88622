#include "client/group/coordinator.hpp"

#include <fmt/format.h>

#include "base/broker_errors.hpp"

namespace dohle::client {

namespace {

Error refusal(std::int16_t code, std::string_view group_id,
              const std::optional<std::string>& message) {
  return Error::broker(code, fmt::format("find the coordinator of group {}", group_id),
                       message ? *message : std::string());
}

}  // namespace

wire::FindCoordinatorRequest ask_for_coordinator(std::string_view group_id) {
  wire::FindCoordinatorRequest request;
  request.key = group_id;
  request.coordinator_keys.emplace_back(group_id);
  return request;
}

Result<NodeId> coordinator_of(const wire::FindCoordinatorResponse& answer,
                              std::string_view group_id) {
  if (answer.error_code != broker_error::none) {
    return fail(refusal(answer.error_code, group_id, answer.error_message));
  }
  if (answer.coordinators.empty() && !answer.node_id.is_none()) return answer.node_id;
  for (const auto& each : answer.coordinators) {
    if (each.key != group_id) continue;
    if (each.error_code == broker_error::none) return each.node_id;
    return fail(refusal(each.error_code, group_id, each.error_message));
  }
  return fail(Error::client(Errc::malformed,
                            fmt::format("find the coordinator of group {}: the answer is about "
                                        "other groups",
                                        group_id)));
}

bool is_coordinator_lost(const Error& error) {
  if (error.is_broker(broker_error::coordinator_not_available)) return true;
  if (error.is_broker(broker_error::not_coordinator)) return true;
  return error.category() != ErrorCategory::broker && error.is_retriable();
}

}  // namespace dohle::client
