#include "wire/messages/describe_client_quotas.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "node/serve/handlers/handlers.hpp"
#include "node/serve/handlers/scram_users.hpp"

namespace dohle::node {

namespace {

using Request = wire::DescribeClientQuotasRequest;
using Response = wire::DescribeClientQuotasResponse;

constexpr std::string_view by_user = "user", by_client_id = "client-id", by_address = "ip";
constexpr std::array known_types{by_user, by_client_id, by_address};

struct Refusal {
  std::int16_t code;
  std::string why;
};

Response refused(Refusal refusal) {
  Response response;
  response.error_code = refusal.code;
  response.error_message = std::move(refusal.why);
  response.entries = std::nullopt;
  return response;
}

std::optional<Refusal> invalid(std::string why) {
  return Refusal{broker_error::invalid_request, std::move(why)};
}

// The texts are those of Apache Kafka.
std::optional<Refusal> fault_of_match(const Request::ComponentData& component) {
  switch (component.match_type) {
    case wire::quota_match::exact:
      if (component.match) return std::nullopt;
      return invalid("Request specified MATCH_TYPE_EXACT, but set match string to null.");
    case wire::quota_match::default_name:
      if (!component.match) return std::nullopt;
      return invalid("Request specified MATCH_TYPE_DEFAULT, but also specified a match string.");
    case wire::quota_match::any:
      if (!component.match) return std::nullopt;
      return invalid("Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.");
    default:
      return invalid("Unknown match type " + std::to_string(component.match_type));
  }
}

std::optional<Refusal> fault_of(const Request& request) {
  std::array<bool, known_types.size()> is_named{};
  for (const auto& component : request.components) {
    if (component.entity_type.empty()) return invalid("Invalid empty entity type.");
    const auto* const type = std::ranges::find(known_types, component.entity_type);
    if (type == known_types.end()) {
      return Refusal{broker_error::unsupported_version,
                     "Unsupported entity type " + shortened(component.entity_type)};
    }
    bool& is_known = is_named[static_cast<std::size_t>(type - known_types.begin())];
    if (is_known) {
      return invalid("Entity type " + component.entity_type +
                     " cannot appear more than once in the filter.");
    }
    if (auto fault = fault_of_match(component)) return fault;
    is_known = true;
  }
  const auto [has_user, has_client_id, has_address] = is_named;
  if (!has_address || (!has_user && !has_client_id)) return std::nullopt;
  return invalid(
      "Invalid entity filter component combination. IP filter component should not be used with "
      "user or clientId filter component.");
}

}  // namespace

// The node has no quotas, so no filter finds any. Tools that list users ask for quotas first.
void handle(Call& call, wire::DescribeClientQuotasRequest request) {
  if (!may_manage_users(call)) {
    return call.responder.answer(
        refused({broker_error::cluster_authorization_failed, std::string(users_need_login)}));
  }
  if (auto fault = fault_of(request)) return call.responder.answer(refused(*std::move(fault)));
  Response response;
  response.error_message = std::nullopt;
  call.responder.answer(response);
}

}  // namespace dohle::node
