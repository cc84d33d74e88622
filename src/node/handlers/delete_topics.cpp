#include "wire/messages/delete_topics.hpp"

#include "node/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using Deleted = wire::DeleteTopicsResponse::DeletableTopicResult;

Deleted remove(Engine& engine, const std::optional<std::string>& name, const TopicId& id) {
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
  engine.forget_partitions(*topic);
  if (auto removed = engine.topics().remove(*deleted.name); !removed) {
    deleted.error_code = wire_code(removed.error());
    deleted.error_message = std::string(removed.error().message());
  }
  return deleted;
}

void answer(Engine& engine, const Responder& responder, wire::DeleteTopicsRequest request) {
  wire::DeleteTopicsResponse response;
  for (const std::string& name : request.topic_names) {
    response.responses.push_back(remove(engine, name, {}));
  }
  for (const auto& topic : request.topics) {
    response.responses.push_back(remove(engine, topic.name, topic.topic_id));
  }
  responder.answer(response);
}

}  // namespace

void handle_delete_topics(Engine& engine, const Responder& responder, const Slice& body) {
  decoded<wire::DeleteTopicsRequest, answer>(engine, responder, body);
}

}  // namespace dohle::node
