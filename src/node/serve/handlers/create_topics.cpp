#include "wire/messages/create_topics.hpp"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "node/serve/handlers/config_source.hpp"
#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using Wanted = wire::CreateTopicsRequest::CreatableTopic;
using Created = wire::CreateTopicsResponse::CreatableTopicResult;

Error refused(std::int16_t code, const Wanted& wanted, std::string_view why) {
  return Error::broker(code, "topic " + wanted.name, why);
}

// A placement by hand is welcome when it says what is anyway the case.
Result<std::int32_t> assigned_partitions(const Wanted& wanted) {
  if (wanted.num_partitions != -1 || wanted.replication_factor != -1) {
    return fail(refused(broker_error::invalid_request, wanted,
                        "A manual partition assignment was specified, but numPartitions or "
                        "replicationFactor was not set to -1."));
  }
  std::set<PartitionId> seen;
  for (const auto& assignment : wanted.assignments) {
    const bool is_here = std::ranges::equal(assignment.broker_ids, std::array{node_id});
    if (!is_here || !seen.insert(assignment.partition_index).second) {
      return fail(refused(
          broker_error::invalid_replica_assignment, wanted,
          "each partition once, and each on node " + std::to_string(node_id.value) + " alone"));
    }
  }
  const auto count = static_cast<std::int32_t>(seen.size());
  if (seen.begin()->value != 0 || seen.rbegin()->value != count - 1) {
    return fail(refused(broker_error::invalid_replica_assignment, wanted,
                        "partitions should be a consecutive 0-based integer sequence"));
  }
  return count;
}

Result<std::int32_t> partitions_of(const Wanted& wanted) {
  if (!wanted.assignments.empty()) return assigned_partitions(wanted);
  const std::int16_t factor = wanted.replication_factor;
  if (factor < -1 || factor == 0) {
    return fail(refused(broker_error::invalid_replication_factor, wanted,
                        "Replication factor was set to an invalid non-positive value."));
  }
  if (factor > 1) {
    return fail(refused(broker_error::invalid_replication_factor, wanted,
                        "Unable to replicate the partition " + std::to_string(factor) +
                            " time(s): The target replication factor of " + std::to_string(factor) +
                            " cannot be reached because only 1 broker(s) are registered; there is "
                            "one node, so the factor is 1 (or -1 for the default)"));
  }
  return wanted.num_partitions == -1 ? 1 : wanted.num_partitions;
}

Result<TopicConfig> config_of(const Wanted& wanted) {
  TopicConfig config;
  for (const auto& entry : wanted.configs) {
    if (!entry.value) {
      return fail(refused(broker_error::invalid_config, wanted, entry.name + " has no value"));
    }
    config[entry.name] = *entry.value;
  }
  return config;
}

Result<void> create(NodeEngine& engine, const Wanted& wanted, bool validate_only, Created& into) {
  const auto partitions = partitions_of(wanted);
  if (!partitions) return fail(partitions.error());
  const auto config = config_of(wanted);
  if (!config) return fail(config.error());
  const auto topic = engine.topics().create(wanted.name, *partitions, *config, validate_only);
  if (!topic) return fail(topic.error());
  if (*topic != nullptr) into.topic_id = (*topic)->id;
  into.num_partitions = *partitions;
  into.replication_factor = 1;
  for (const TopicSetting& setting :
       describe_topic_config(*config, engine.topics().log_defaults())) {
    auto& entry = into.configs->emplace_back();
    entry.name = setting.name;
    entry.value = setting.value;
    entry.read_only = setting.is_fixed;
    entry.config_source = setting.is_set ? config_source::topic : config_source::default_value;
  }
  return {};
}

/// One request until it is answered: a topic in each slice.
class Creating {
 public:
  Creating(Call& call, wire::CreateTopicsRequest request)
      : engine_(call.engine), responder_(call.responder), request_(std::move(request)) {
    for (const Wanted& wanted : request_.topics) names_.insert(wanted.name);
  }

  /// True: it is answered.
  bool create_next() {
    if (response_.topics.size() == request_.topics.size()) {
      responder_.answer(response_);
      return true;
    }
    const Wanted& wanted = request_.topics[response_.topics.size()];
    Created& topic = response_.topics.emplace_back();
    topic.name = wanted.name;
    topic.error_message.reset();
    Result<void> created = names_.count(wanted.name) > 1
                               ? Result<void>(fail(refused(broker_error::invalid_request, wanted,
                                                           "Duplicate topic name.")))
                               : create(engine_, wanted, request_.validate_only, topic);
    if (created) return false;
    topic.error_code = wire_code(created.error());
    topic.error_message = text_of(created.error());
    return false;
  }

 private:
  NodeEngine& engine_;
  const Responder responder_;
  const wire::CreateTopicsRequest request_;
  /// Views of the request.
  std::multiset<std::string_view> names_;
  wire::CreateTopicsResponse response_;
};

}  // namespace

void handle(Call& call, wire::CreateTopicsRequest request) {
  call.engine.dispatcher().go_on(call.responder.session(),
                                 [creating = std::make_unique<Creating>(call, std::move(request))] {
                                   return creating->create_next();
                                 });
}

}  // namespace dohle::node
