#include "wire/messages/create_partitions.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "node/limits.hpp"
#include "node/serve/handlers/handlers.hpp"
#include "node/serve/handlers/named_topics.hpp"

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

/// One request until it is answered. Each slice begins one topic, and several may be in progress.
class Growing : public std::enable_shared_from_this<Growing> {
 public:
  Growing(Call& call, wire::CreatePartitionsRequest request)
      : dispatcher_(call.node.dispatcher),
        storage_(call.node.storage),
        access_(call.access),
        responder_(call.responder),
        request_(std::move(request)) {
    response_.results.reserve(request_.topics.size());
  }

  Progress go_on() {
    if (!named_.is_complete()) {
      named_.note_some(request_.topics);
      return Progress::more;
    }
    if (under_way_ >= limits::max_topic_changes_per_request) return Progress::waits;
    if (response_.results.size() == request_.topics.size()) {
      if (under_way_ > 0) return Progress::waits;
      answer();
      return Progress::answered;
    }
    const CreatePartitionsTopic& wanted = request_.topics[response_.results.size()];
    CreatePartitionsTopicResult& topic = response_.results.emplace_back();
    topic.name = wanted.name;
    if (auto begun = begin(wanted, topic); !begun) refuse(topic, begun.error());
    return Progress::more;
  }

 private:
  void answer() {
    const std::size_t items = response_.results.size();
    if (items > limits::max_encoded_at_once) {
      drop_beside(dispatcher_, std::move(named_));  // views of the request
      drop_beside(dispatcher_, std::move(request_));
    }
    answer_beside(dispatcher_, responder_, std::move(response_), items);
  }

  Result<void> begin(const CreatePartitionsTopic& wanted, CreatePartitionsTopicResult& into) {
    if (named_.is_repeated(wanted.name)) {
      return fail(refused(broker_error::invalid_request, wanted, "Duplicate topic name."));
    }
    const FoundTopic topic = access_.topic(wanted.name, Operation::alter);
    if (!topic) {
      into.error_code = topic.code;
      return {};
    }
    Topics& topics = storage_.topics();
    Topics::Growth growth{wanted.count};
    if (wanted.assignments) growth.assignments = wanted.assignments->size();
    if (auto checked = topics.check_growth(*topic.topic, growth); !checked) return checked;
    if (wanted.assignments) {
      for (const auto& assignment : *wanted.assignments) {
        auto fits = check_assignment(wanted, assignment.broker_ids);
        if (!fits) return fits;
      }
    }
    if (request_.validate_only) return {};
    ++under_way_;
    topics.grow(
        topic->id, growth,
        [self = shared_from_this(), place = response_.results.size() - 1](Result<void> grown) {
          if (!grown) refuse(self->response_.results[place], grown.error());
          --self->under_way_;
          self->dispatcher_.wake(self->responder_.session());
        });
    return {};
  }

  static void refuse(CreatePartitionsTopicResult& topic, const Error& why) {
    topic.error_code = wire_code(why);
    topic.error_message = text_of(why);
  }

  Dispatcher& dispatcher_;
  Storage& storage_;
  const Access access_;
  const Responder responder_;
  wire::CreatePartitionsRequest request_;
  NamedTopics named_;
  wire::CreatePartitionsResponse response_;
  std::size_t under_way_ = 0;
};

}  // namespace

void handle(Call& call, wire::CreatePartitionsRequest request) {
  call.node.dispatcher.go_on(
      call.responder.session(),
      [growing = std::make_shared<Growing>(call, std::move(request))] { return growing->go_on(); });
}

}  // namespace dohle::node
