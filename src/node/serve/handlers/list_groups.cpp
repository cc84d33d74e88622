#include "wire/messages/list_groups.hpp"

#include <algorithm>

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

constexpr std::string_view classic = "classic";
constexpr std::size_t groups_at_once = 100;
/// More than there are states and kinds. Each filter is compared with each group.
constexpr std::size_t max_filters = 100;

bool is_same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

// An empty filter accepts every word.
bool passes(const std::vector<std::string>& filter, std::string_view word) {
  return filter.empty() || std::ranges::any_of(filter, [&](const std::string& wanted) {
           return is_same_word(wanted, word);
         });
}

}  // namespace

void handle(Call& call, wire::ListGroupsRequest request) {
  const Parts<Dispatcher, GroupService> node = call.node;
  wire::ListGroupsResponse refused;
  refused.error_code = node.get<GroupService>().refusal();
  if (refused.error_code != broker_error::none) {
    return call.responder.answer(refused);
  }
  if (request.states_filter.size() + request.types_filter.size() > max_filters) {
    refused.error_code = broker_error::invalid_request;
    return call.responder.answer(refused);
  }
  // Groups may be created and deleted between two slices, so the next one is found by name.
  node.get<Dispatcher>().go_on(
      call.responder.session(),
      [&groups = node.get<GroupService>(), &dispatcher = node.get<Dispatcher>(),
       responder = call.responder, request = std::move(request),
       response = wire::ListGroupsResponse(), last = std::string()]() mutable {
        const bool has_more =
            groups.coordinator().visit_after(last, groups_at_once, [&](const ClassicGroup& group) {
              const std::string_view state = to_string(group.state());
              if (!passes(request.states_filter, state)) return;
              if (!passes(request.types_filter, classic)) return;
              response.groups.push_back(
                  {group.id(), group.protocol_type(), std::string(state), std::string(classic)});
            });
        if (has_more) return Progress::more;
        const std::size_t count = response.groups.size();
        answer_beside(dispatcher, responder, std::move(response), count);
        return Progress::answered;
      });
}

}  // namespace dohle::node
