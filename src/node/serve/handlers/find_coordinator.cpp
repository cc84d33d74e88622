#include "wire/messages/find_coordinator.hpp"

#include "node/serve/handlers/handlers.hpp"
#include "node/serve/handlers/no_transactions.hpp"

namespace dohle::node {

namespace {

constexpr std::int8_t for_group = 0, for_transaction = 1;
constexpr std::int16_t first_version_with_several = 4;

/// Why there is no coordinator for keys of that type. The code is none if this node is it.
struct Refusal {
  std::int16_t code = broker_error::none;
  std::optional<std::string> message;
};

Refusal refusal_of(const Call& call, std::int8_t key_type) {
  if (key_type == for_group) {
    const Parts<GroupService> node = call.node;
    auto why = node.get<GroupService>().why_unavailable();
    if (!why) return {};
    return {broker_error::coordinator_not_available, std::move(why)};
  }
  if (key_type == for_transaction) {
    return {transactions_refused, std::string(this_node_has_no_transactions)};
  }
  return {broker_error::invalid_request,
          "this node coordinates classic groups (key type 0); there is no coordinator for key "
          "type " +
              std::to_string(key_type)};
}

}  // namespace

void handle(Call& call, wire::FindCoordinatorRequest request) {
  const Endpoint& here = call.way.advertised;
  const Refusal refusal = refusal_of(call, request.key_type);
  const bool is_served = refusal.code == broker_error::none;
  if (request.key_type == for_transaction) complain_of_transactions(call);
  wire::FindCoordinatorResponse response;
  if (call.version < first_version_with_several) {
    response.error_code = refusal.code;
    response.error_message = refusal.message;
    response.node_id = is_served ? node_id : NodeId{};
    response.host = is_served ? here.host : "";
    response.port = is_served ? here.port : -1;
    return call.responder.answer(response);
  }
  for (const std::string& key : request.coordinator_keys) {
    auto& coordinator = response.coordinators.emplace_back();
    coordinator.key = key;
    coordinator.error_code = refusal.code;
    coordinator.error_message = refusal.message;
    coordinator.node_id = is_served ? node_id : NodeId{};
    coordinator.host = is_served ? here.host : "";
    coordinator.port = is_served ? here.port : -1;
  }
  call.responder.answer(response);
}

}  // namespace dohle::node
