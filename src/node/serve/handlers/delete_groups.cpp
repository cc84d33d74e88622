#include "wire/messages/delete_groups.hpp"

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

void handle(Call& call, wire::DeleteGroupsRequest request) {
  call.engine.dispatcher().go_on(
      call.responder.session(),
      [&engine = call.engine, responder = call.responder, groups = std::move(request.groups_names),
       response = wire::DeleteGroupsResponse()]() mutable {
        const std::size_t next = response.results.size();
        if (next < groups.size()) {
          response.results.push_back({groups[next], engine.groups().remove(groups[next])});
          return Dispatcher::Progress::more;
        }
        engine.syncing().when_durable(
            [responder, response = std::move(response)] { responder.answer(response); });
        return Dispatcher::Progress::answered;
      });
}

}  // namespace dohle::node
