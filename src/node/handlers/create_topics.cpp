#include "wire/messages/create_topics.hpp"

#include "node/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using Wanted = wire::CreateTopicsRequest::CreatableTopic;
using Created = wire::CreateTopicsResponse::CreatableTopicResult;

Result<std::int32_t> partitions_of(const Wanted& wanted) {
  if (!wanted.assignments.empty()) {
    return fail(Error::broker(broker_error::invalid_replica_assignment, "topic " + wanted.name,
                              "this node places partitions itself"));
  }
  if (wanted.replication_factor != -1 && wanted.replication_factor != 1) {
    return fail(Error::broker(broker_error::invalid_replication_factor, "topic " + wanted.name,
                              "there is one node, so the factor is 1 (or -1 for the default)"));
  }
  return wanted.num_partitions == -1 ? 1 : wanted.num_partitions;
}

Result<void> create(Engine& engine, const Wanted& wanted, bool validate_only, Created& into) {
  const auto partitions = partitions_of(wanted);
  if (!partitions) return fail(partitions.error());
  Topics::Config config;
  for (const auto& entry : wanted.configs) {
    if (entry.value) config[entry.name] = *entry.value;
  }
  const auto topic = engine.topics().create(wanted.name, *partitions, config, validate_only);
  if (!topic) return fail(topic.error());
  if (*topic != nullptr) into.topic_id = (*topic)->id;
  into.num_partitions = *partitions;
  into.replication_factor = 1;
  return {};
}

void answer(Engine& engine, const Responder& responder, wire::CreateTopicsRequest request) {
  wire::CreateTopicsResponse response;
  for (const Wanted& wanted : request.topics) {
    Created& topic = response.topics.emplace_back();
    topic.name = wanted.name;
    topic.error_message.reset();
    // Told as "not told": the settings are DescribeConfigs' business.
    topic.configs.reset();
    if (auto created = create(engine, wanted, request.validate_only, topic); !created) {
      topic.error_code = wire_code(created.error());
      topic.error_message = std::string(created.error().message());
    }
  }
  responder.answer(response);
}

}  // namespace

void handle_create_topics(Engine& engine, const Responder& responder, const Slice& body) {
  decoded<wire::CreateTopicsRequest, answer>(engine, responder, body);
}

}  // namespace dohle::node
