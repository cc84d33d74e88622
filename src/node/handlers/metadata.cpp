#include "wire/messages/metadata.hpp"

#include "node/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using Entry = wire::MetadataResponse::MetadataResponseTopic;

Entry describe(const Topic& topic) {
  Entry entry;
  entry.name = topic.name;
  entry.topic_id = topic.id;
  for (std::size_t i = 0; i < topic.partitions.size(); ++i) {
    auto& partition = entry.partitions.emplace_back();
    partition.partition_index = PartitionId{static_cast<std::int32_t>(i)};
    partition.leader_id = node_id;
    partition.leader_epoch = leader_epoch;
    partition.replica_nodes = {node_id};
    partition.isr_nodes = {node_id};
  }
  return entry;
}

Entry missing(const std::optional<std::string>& name, const TopicId& id, std::int16_t code) {
  Entry entry;
  entry.error_code = code;
  entry.name = name;
  entry.topic_id = id;
  return entry;
}

Entry by_name(Engine& engine, const std::string& name, bool may_create) {
  if (const Topic* topic = engine.topics().find(name)) return describe(*topic);
  if (!may_create) return missing(name, {}, broker_error::unknown_topic_or_partition);
  auto created = engine.topics().create(name, 1, {});
  return created ? describe(**created) : missing(name, {}, wire_code(created.error()));
}

void answer(Engine& engine, const Responder& responder, wire::MetadataRequest request) {
  wire::MetadataResponse response;
  auto& broker = response.brokers.emplace_back();
  broker.node_id = node_id;
  broker.host = engine.advertised().host;
  broker.port = engine.advertised().port;
  response.cluster_id = engine.cluster_id();
  response.controller_id = node_id;
  // Version 0 has no null: there an empty list asks for all topics.
  const bool wants_all = !request.topics || (responder.version == 0 && request.topics->empty());
  if (wants_all) {
    for (const auto& [name, topic] : engine.topics().all()) {
      response.topics.push_back(describe(topic));
    }
    return responder.answer(response);
  }
  const bool may_create = request.allow_auto_topic_creation && engine.settings().auto_create_topics;
  for (const auto& wanted : *request.topics) {
    if (wanted.name) {
      response.topics.push_back(by_name(engine, *wanted.name, may_create));
    } else if (const Topic* topic = engine.topics().find(wanted.topic_id)) {
      response.topics.push_back(describe(*topic));
    } else {
      response.topics.push_back(
          missing(std::nullopt, wanted.topic_id, broker_error::unknown_topic_id));
    }
  }
  responder.answer(response);
}

}  // namespace

void handle_metadata(Engine& engine, const Responder& responder, const Slice& body) {
  decoded<wire::MetadataRequest, answer>(engine, responder, body);
}

}  // namespace dohle::node
