#include "wire/messages/find_coordinator.hpp"

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

constexpr std::int8_t for_group = 0;
constexpr std::int16_t first_version_with_several = 4;
constexpr std::string_view only_groups = "this node coordinates groups, and no transactions";

}  // namespace

void handle(Call& call, wire::FindCoordinatorRequest request) {
  const Endpoint& here = call.way.advertised;
  const bool is_served = request.key_type == for_group;
  wire::FindCoordinatorResponse response;
  if (call.version < first_version_with_several) {
    response.error_code = is_served ? broker_error::none : broker_error::invalid_request;
    response.error_message = is_served ? std::nullopt : std::optional(std::string(only_groups));
    response.node_id = is_served ? node_id : NodeId{};
    response.host = is_served ? here.host : "";
    response.port = is_served ? here.port : -1;
    return call.responder.answer(response);
  }
  for (const std::string& key : request.coordinator_keys) {
    auto& coordinator = response.coordinators.emplace_back();
    coordinator.key = key;
    coordinator.error_code = is_served ? broker_error::none : broker_error::invalid_request;
    coordinator.error_message = is_served ? std::nullopt : std::optional(std::string(only_groups));
    coordinator.node_id = is_served ? node_id : NodeId{};
    coordinator.host = is_served ? here.host : "";
    coordinator.port = is_served ? here.port : -1;
  }
  call.responder.answer(response);
}

}  // namespace dohle::node
