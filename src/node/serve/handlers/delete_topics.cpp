#include "wire/messages/delete_topics.hpp"

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using Deleted = wire::DeleteTopicsResponse::DeletableTopicResult;

Deleted remove(NodeEngine& engine, const std::optional<std::string>& name, const TopicId& id) {
  Deleted deleted;
  deleted.name = name;
  deleted.topic_id = id;
  const Topic* topic = name ? engine.topics().find(*name) : engine.topics().find(id);
  if (topic == nullptr) {
    deleted.error_code =
        name ? broker_error::unknown_topic_or_partition : broker_error::unknown_topic_id;
    return deleted;
  }
  deleted.name = topic->name;
  deleted.topic_id = topic->id;
  const auto removed =
      topic->is_internal
          ? Result<void>(fail(Error::broker(broker_error::invalid_request, "topic " + topic->name,
                                            "the node needs this topic itself")))
          : engine.delete_topic(topic->name);
  if (!removed) {
    deleted.error_code = wire_code(removed.error());
    deleted.error_message = text_of(removed.error());
  }
  return deleted;
}

}  // namespace

void handle(Call& call, wire::DeleteTopicsRequest request) {
  // Up to version 5 by names, then by names or ids.
  for (std::string& name : request.topic_names) {
    request.topics.emplace_back().name = std::move(name);
  }
  call.engine.dispatcher().go_on(
      call.responder.session(),
      [&engine = call.engine, responder = call.responder, topics = std::move(request.topics),
       response = wire::DeleteTopicsResponse()]() mutable {
        const std::size_t next = response.responses.size();
        if (next == topics.size()) {
          responder.answer(response);
          return true;
        }
        response.responses.push_back(remove(engine, topics[next].name, topics[next].topic_id));
        return false;
      });
}

}  // namespace dohle::node
