#include "wire/messages/delete_groups.hpp"

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

void handle(Call& call, wire::DeleteGroupsRequest request) {
  const std::vector<std::string> asked = request.groups_names;
  call.engine.groups().remove(
      asked, [responder = call.responder, groups = std::move(request.groups_names)](
                 const std::vector<std::int16_t>& errors, std::int16_t) {
        wire::DeleteGroupsResponse response;
        for (std::size_t i = 0; i < groups.size(); ++i) {
          response.results.push_back({groups[i], errors[i]});
        }
        responder.answer(response);
      });
}

}  // namespace dohle::node
