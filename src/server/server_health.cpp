#include <algorithm>
#include <nlohmann/json.hpp>

#include "dohle/server.hpp"

namespace dohle {
inline namespace v0 {

std::string_view to_string(ServerState state) {
  switch (state) {
    case ServerState::idle:
      return "idle";
    case ServerState::starting:
      return "starting";
    case ServerState::running:
      return "running";
    case ServerState::stopping:
      break;
  }
  return "stopping";
}

bool ServerHealth::is_alive() const {
  return std::ranges::none_of(subscribers, &SubscriberHealth::has_ended);
}

bool ServerHealth::is_ready() const {
  return state == ServerState::running &&
         std::ranges::all_of(subscribers, &SubscriberHealth::is_ready);
}

std::string ServerHealth::to_json() const {
  using Json = nlohmann::ordered_json;
  Json all = Json::array();
  for (const SubscriberHealth& each : subscribers) {
    Json one{{"topic", each.topic}};
    if (!each.group_id.empty()) one["group_id"] = each.group_id;
    one["ready"] = each.is_ready;
    one["ended"] = each.has_ended;
    if (!each.reason.empty()) one["reason"] = each.reason;
    one["held"] = each.held;
    one["lag"] = each.lag;
    all.push_back(std::move(one));
  }
  const Json health{{"state", to_string(state)},
                    {"alive", is_alive()},
                    {"ready", is_ready()},
                    {"subscribers", std::move(all)}};
  // Texts of others may be no UTF-8.
  return health.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace v0
}  // namespace dohle
