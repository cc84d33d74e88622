#include "wire/messages/metadata.hpp"

#include <set>

#include "node/serve/handlers/handlers.hpp"
#include "node/storage/topic_names.hpp"

namespace dohle::node {

namespace {

using Entry = wire::MetadataResponse::MetadataResponseTopic;

Entry describe(const Topic& topic, bool with_operations) {
  Entry entry;
  entry.name = topic.name;
  entry.topic_id = topic.id;
  entry.is_internal = topic.is_internal;
  if (with_operations) entry.topic_authorized_operations = may::with_topic;
  entry.partitions.reserve(topic.partitions.size());
  for (const PartitionRef& from : topic.partitions) {
    auto& partition = entry.partitions.emplace_back();
    partition.partition_index = from->index();
    partition.leader_id = node_id;
    partition.leader_epoch = leader_epoch;
    partition.replica_nodes = {node_id};
    partition.isr_nodes = {node_id};
  }
  return entry;
}

Entry missing(std::optional<std::string> name, const TopicId& id, std::int16_t code) {
  Entry entry;
  entry.error_code = code;
  entry.name = std::move(name);
  entry.topic_id = id;
  return entry;
}

Entry by_name(Call& call, const std::string& name, bool may_create, bool with_operations) {
  Topics& topics = call.engine.topics();
  if (const Topic* topic = topics.find(name)) return describe(*topic, with_operations);
  if (auto legal = check_topic_name(name); !legal) {
    return missing(name, {}, wire_code(legal.error()));
  }
  // A topic of which only the directories are there is not made anew over them.
  if (!may_create || topics.refused_by_strays(name)) {
    return missing(name, {}, broker_error::unknown_topic_or_partition);
  }
  auto created = topics.create(name, 1, {});
  return created ? describe(**created, with_operations)
                 : missing(name, {}, wire_code(created.error()));
}

}  // namespace

void handle(Call& call, wire::MetadataRequest request) {
  Topics& topics = call.engine.topics();
  wire::MetadataResponse response;
  auto& broker = response.brokers.emplace_back();
  broker.node_id = node_id;
  broker.host = call.way.advertised.host;
  broker.port = call.way.advertised.port;
  response.cluster_id = topics.cluster_id();
  response.controller_id = node_id;
  if (request.include_cluster_authorized_operations) {
    response.cluster_authorized_operations = may::with_cluster;
  }
  const bool with_operations = request.include_topic_authorized_operations;
  // Version 0 has no null: there an empty list asks for all topics.
  const bool wants_all = !request.topics || (call.version == 0 && request.topics->empty());
  if (wants_all) {
    for (const auto& [name, topic] : topics.all()) {
      response.topics.push_back(describe(topic, with_operations));
    }
    return call.responder.answer(response);
  }
  const bool may_create =
      request.allow_auto_topic_creation && call.engine.settings().auto_create_topics;
  // Once each: an answer may be large, and its name repeated in a few bytes.
  std::set<std::pair<std::optional<std::string>, TopicId>> answered;
  for (const auto& wanted : *request.topics) {
    if (!answered.emplace(wanted.name, wanted.name ? TopicId() : wanted.topic_id).second) continue;
    if (wanted.name) {
      response.topics.push_back(by_name(call, *wanted.name, may_create, with_operations));
    } else if (const Topic* topic = topics.find(wanted.topic_id)) {
      response.topics.push_back(describe(*topic, with_operations));
    } else {
      response.topics.push_back(
          missing(std::nullopt, wanted.topic_id, broker_error::unknown_topic_id));
    }
  }
  call.responder.answer(response);
}

}  // namespace dohle::node
