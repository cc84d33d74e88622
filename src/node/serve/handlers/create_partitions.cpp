#include "wire/messages/create_partitions.hpp"

#include <algorithm>
#include <utility>

#include "node/serve/handlers/topic_changes.hpp"

namespace dohle::node {

namespace {

using CreatePartitionsTopic = wire::CreatePartitionsRequest::CreatePartitionsTopic;
using CreatePartitionsTopicResult = wire::CreatePartitionsResponse::CreatePartitionsTopicResult;

Error refused(std::int16_t code, const CreatePartitionsTopic& wanted, std::string_view why) {
  return Error::broker(code, "topic " + wanted.name, why);
}

/// Accepts a manual assignment only if it places the partition on this node.
Result<void> check_assignment(const CreatePartitionsTopic& wanted,
                              const std::vector<NodeId>& brokers) {
  const auto unfit = [&](const std::string& why) {
    return fail(refused(broker_error::invalid_replica_assignment, wanted,
                        "The manual partition assignment includes " + why));
  };
  if (brokers.empty()) return unfit("an empty replica list.");
  const auto stranger =
      std::ranges::find_if(brokers, [](NodeId broker) { return broker != node_id; });
  if (stranger != brokers.end()) {
    return unfit("broker " + std::to_string(stranger->value) +
                 ", but no such broker is registered.");
  }
  if (brokers.size() > 1) {
    return unfit("the broker " + std::to_string(node_id.value) + " more than once.");
  }
  return {};
}

class Growing final : public TopicChanges<Growing, &wire::CreatePartitionsRequest::topics,
                                          &wire::CreatePartitionsResponse::results> {
 public:
  Growing(const ChangingParts& node, Call& call, wire::CreatePartitionsRequest request)
      : TopicChanges(node, call, std::move(request)) {}

  Result<void> begin(const CreatePartitionsTopic& wanted, CreatePartitionsTopicResult& into) {
    const FoundTopic topic = access().topic(wanted.name, Operation::alter);
    if (!topic) {
      into.error_code = topic.code;
      return {};
    }
    TopicTable& topics = storage().topics();
    TopicTable::Growth growth{wanted.count};
    if (wanted.assignments) growth.assignments = wanted.assignments->size();
    if (auto checked = topics.check_growth(*topic.topic, growth); !checked) return checked;
    if (wanted.assignments) {
      for (const auto& assignment : *wanted.assignments) {
        auto fits = check_assignment(wanted, assignment.broker_ids);
        if (!fits) return fits;
      }
    }
    if (request().validate_only) return {};
    topics.grow(topic->id, growth,
                under_way([](Growing& /*self*/, CreatePartitionsTopicResult& grown,
                             const Result<void>& outcome) {
                  if (!outcome) refuse(grown, outcome.error());
                }));
    return {};
  }
};

}  // namespace

void handle(Call& call, wire::CreatePartitionsRequest request) {
  change_topics<Growing>(call, std::move(request));
}

}  // namespace dohle::node
