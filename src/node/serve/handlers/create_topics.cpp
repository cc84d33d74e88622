#include "wire/messages/create_topics.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "node/serve/handlers/config_source.hpp"
#include "node/serve/handlers/topic_changes.hpp"

namespace dohle::node {

namespace {

using CreatableTopic = wire::CreateTopicsRequest::CreatableTopic;
using CreatableTopicResult = wire::CreateTopicsResponse::CreatableTopicResult;

Error refused(std::int16_t code, const CreatableTopic& wanted, std::string_view why) {
  return Error::broker(code, "topic " + wanted.name, why);
}

// Accepts a manual assignment only if it matches the only possible one.
Result<std::int32_t> assigned_partitions(const CreatableTopic& wanted) {
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

Result<std::int32_t> partitions_of(const CreatableTopic& wanted) {
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

Result<TopicConfig> config_of(const CreatableTopic& wanted) {
  TopicConfig config;
  for (const auto& entry : wanted.configs) {
    if (!entry.value) {
      return fail(refused(broker_error::invalid_config, wanted, entry.name + " has no value"));
    }
    config[entry.name] = *entry.value;
  }
  return config;
}

class Creating final : public TopicChanges<Creating, &wire::CreateTopicsRequest::topics,
                                           &wire::CreateTopicsResponse::topics> {
 public:
  Creating(const ChangingParts& node, Call& call, wire::CreateTopicsRequest request)
      : TopicChanges(node, call, std::move(request)) {}

  Result<void> begin(const CreatableTopic& wanted, CreatableTopicResult& into) {
    into.error_message.reset();
    if (!access().may(Operation::create, wanted.name)) {
      return fail(
          refused(broker_error::topic_authorization_failed, wanted, "Authorization failed."));
    }
    const auto partitions = partitions_of(wanted);
    if (!partitions) return fail(partitions.error());
    const auto config = config_of(wanted);
    if (!config) return fail(config.error());
    TopicTable& topics = storage().topics();
    if (request().validate_only) {
      if (auto checked = topics.check_new(wanted.name, *partitions, *config); !checked) {
        return checked;
      }
      describe(into, *partitions, *config);
      return {};
    }
    topics.create(wanted.name, *partitions, *config,
                  under_way([partitions = *partitions](Creating& self, CreatableTopicResult& topic,
                                                       Result<node::Topic*> made) {
                    if (!made) return refuse(topic, made.error());
                    topic.topic_id = (*made)->id;
                    self.describe(topic, partitions, (*made)->config);
                  }));
    return {};
  }

 private:
  void describe(CreatableTopicResult& topic, std::int32_t partitions,
                const TopicConfig& config) const {
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    for (const TopicSetting& setting :
         describe_topic_config(config, storage().topics().log_defaults())) {
      auto& entry = topic.configs->emplace_back();
      entry.name = setting.name;
      entry.value = setting.value;
      entry.read_only = setting.is_fixed;
      entry.config_source = setting.is_set ? config_source::topic : config_source::default_value;
    }
  }
};

}  // namespace

void handle(Call& call, wire::CreateTopicsRequest request) {
  change_topics<Creating>(call, std::move(request));
}

}  // namespace dohle::node
