#include "wire/messages/list_groups.hpp"

#include <algorithm>

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

constexpr std::string_view classic = "classic";

bool is_same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

// An empty filter lets everything pass.
bool passes(const std::vector<std::string>& filter, std::string_view word) {
  return filter.empty() || std::ranges::any_of(filter, [&](const std::string& wanted) {
           return is_same_word(wanted, word);
         });
}

}  // namespace

void handle(Call& call, wire::ListGroupsRequest request) {
  wire::ListGroupsResponse response;
  if (!call.engine.groups().is_available()) {
    response.error_code = broker_error::coordinator_not_available;
    return call.responder.answer(response);
  }
  call.engine.groups().coordinator().for_each([&](const ClassicGroup& group) {
    const std::string_view state = to_string(group.state());
    if (!passes(request.states_filter, state) || !passes(request.types_filter, classic)) return;
    response.groups.push_back(
        {group.id(), group.protocol_type(), std::string(state), std::string(classic)});
  });
  call.responder.answer(response);
}

}  // namespace dohle::node
