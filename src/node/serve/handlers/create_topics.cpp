#include "wire/messages/create_topics.hpp"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "node/limits.hpp"
#include "node/serve/handlers/config_source.hpp"
#include "node/serve/handlers/handlers.hpp"
#include "node/serve/handlers/named_topics.hpp"

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

/// One request until it is answered. Each slice begins one topic, and several may be in progress.
class Creating : public std::enable_shared_from_this<Creating> {
 public:
  Creating(Call& call, wire::CreateTopicsRequest request)
      : dispatcher_(call.node.dispatcher),
        storage_(call.node.storage),
        access_(call.access),
        responder_(call.responder),
        request_(std::move(request)) {
    response_.topics.reserve(request_.topics.size());
  }

  Progress go_on() {
    if (!named_.is_complete()) {
      named_.note_some(request_.topics);
      return Progress::more;
    }
    if (under_way_ >= limits::max_topic_changes_per_request) return Progress::waits;
    if (response_.topics.size() == request_.topics.size()) {
      if (under_way_ > 0) return Progress::waits;
      answer();
      return Progress::answered;
    }
    const CreatableTopic& wanted = request_.topics[response_.topics.size()];
    CreatableTopicResult& topic = response_.topics.emplace_back();
    topic.name = wanted.name;
    topic.error_message.reset();
    if (auto begun = begin(wanted, topic); !begun) refuse(topic, begun.error());
    return Progress::more;
  }

 private:
  void answer() {
    const std::size_t items = response_.topics.size();
    if (items > limits::max_encoded_at_once) {
      drop_beside(dispatcher_, std::move(named_));  // views of the request
      drop_beside(dispatcher_, std::move(request_));
    }
    answer_beside(dispatcher_, responder_, std::move(response_), items);
  }

  Result<void> begin(const CreatableTopic& wanted, CreatableTopicResult& into) {
    if (named_.is_repeated(wanted.name)) {
      return fail(refused(broker_error::invalid_request, wanted, "Duplicate topic name."));
    }
    if (!access_.may(Operation::create, wanted.name)) {
      return fail(
          refused(broker_error::topic_authorization_failed, wanted, "Authorization failed."));
    }
    const auto partitions = partitions_of(wanted);
    if (!partitions) return fail(partitions.error());
    const auto config = config_of(wanted);
    if (!config) return fail(config.error());
    Topics& topics = storage_.topics();
    if (request_.validate_only) {
      if (auto checked = topics.check_new(wanted.name, *partitions, *config); !checked) {
        return checked;
      }
      describe(into, *partitions, *config);
      return {};
    }
    ++under_way_;
    topics.create(wanted.name, *partitions, *config,
                  [self = shared_from_this(), place = response_.topics.size() - 1,
                   partitions = *partitions](Result<Topic*> made) {
                    CreatableTopicResult& topic = self->response_.topics[place];
                    if (made) {
                      topic.topic_id = (*made)->id;
                      self->describe(topic, partitions, (*made)->config);
                    } else {
                      refuse(topic, made.error());
                    }
                    --self->under_way_;
                    self->dispatcher_.wake(self->responder_.session());
                  });
    return {};
  }

  void describe(CreatableTopicResult& topic, std::int32_t partitions,
                const TopicConfig& config) const {
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    for (const TopicSetting& setting :
         describe_topic_config(config, storage_.topics().log_defaults())) {
      auto& entry = topic.configs->emplace_back();
      entry.name = setting.name;
      entry.value = setting.value;
      entry.read_only = setting.is_fixed;
      entry.config_source = setting.is_set ? config_source::topic : config_source::default_value;
    }
  }

  static void refuse(CreatableTopicResult& topic, const Error& why) {
    topic.error_code = wire_code(why);
    topic.error_message = text_of(why);
  }

  Dispatcher& dispatcher_;
  Storage& storage_;
  const Access access_;
  const Responder responder_;
  wire::CreateTopicsRequest request_;
  NamedTopics named_;
  wire::CreateTopicsResponse response_;
  std::size_t under_way_ = 0;
};

}  // namespace

void handle(Call& call, wire::CreateTopicsRequest request) {
  call.node.dispatcher.go_on(call.responder.session(),
                             [creating = std::make_shared<Creating>(call, std::move(request))] {
                               return creating->go_on();
                             });
}

}  // namespace dohle::node
