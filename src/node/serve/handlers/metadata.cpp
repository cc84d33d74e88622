#include "wire/messages/metadata.hpp"

#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "node/door/request_faults.hpp"
#include "node/limits.hpp"
#include "node/serve/handlers/handlers.hpp"
#include "node/storage/topic_names.hpp"

namespace dohle::node {

namespace {

using MetadataResponseTopic = wire::MetadataResponse::MetadataResponseTopic;

using Needed = Parts<Dispatcher, NodeSettings, RequestFaults, Storage>;

MetadataResponseTopic describe(const Topic& topic, bool with_operations) {
  MetadataResponseTopic entry;
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

MetadataResponseTopic missing(std::optional<std::string> name, const TopicId& id,
                              std::int16_t code) {
  MetadataResponseTopic entry;
  entry.error_code = code;
  entry.name = std::move(name);
  entry.topic_id = id;
  return entry;
}

/// One request until it is answered. Each slice adds one topic; several topics may be in creation.
class Describing : public std::enable_shared_from_this<Describing> {
 public:
  Describing(const Needed& node, Call& call, wire::MetadataRequest request)
      : dispatcher_(node.get<Dispatcher>()),
        storage_(node.get<Storage>()),
        access_(call.access),
        responder_(call.responder),
        request_(std::move(request)),
        // Version 0 has no null: there an empty list asks for all topics.
        wants_all_(!request_.topics || (call.version == 0 && request_.topics->empty())),
        may_create_(request_.allow_auto_topic_creation &&
                    node.get<NodeSettings>().auto_create_topics),
        faults_(node.get<RequestFaults>()) {
    auto& broker = response_.brokers.emplace_back();
    broker.node_id = node_id;
    broker.host = call.way.advertised.host;
    broker.port = call.way.advertised.port;
    response_.cluster_id = storage_.topics().cluster_id();
    response_.controller_id = node_id;
    if (request_.include_cluster_authorized_operations) {
      response_.cluster_authorized_operations = may::with_cluster;
    }
  }

  Progress go_on() {
    if (under_way_ >= limits::max_topic_changes_per_request) return Progress::waits;
    if (wants_all_ ? add_next_of_all() : add_next_wanted()) return Progress::more;
    if (under_way_ > 0) return Progress::waits;
    answer();
    return Progress::answered;
  }

 private:
  void answer() {
    std::size_t items = response_.topics.size();
    for (const MetadataResponseTopic& entry : response_.topics) items += entry.partitions.size();
    if (items > limits::max_encoded_at_once) {
      drop_beside(dispatcher_, std::move(request_));
      drop_beside(dispatcher_, std::move(answered_));
    }
    answer_beside(dispatcher_, responder_, std::move(response_), items);
  }

  // Topics may be created and deleted between two slices, so the next one is found by name.
  bool add_next_of_all() {
    const auto& topics = storage_.topics().all();
    const auto next = last_of_all_.empty() ? topics.begin() : topics.upper_bound(last_of_all_);
    if (next == topics.end()) return false;
    last_of_all_ = next->first;
    if (access_.may(Operation::describe, next->first)) add(next->second);
    return true;
  }

  bool add_next_wanted() {
    if (next_ == request_.topics->size()) return false;
    const auto& wanted = (*request_.topics)[next_++];
    // Answers each topic once: an answer may be large, but a repeated name takes few bytes.
    const TopicId id = wanted.name ? TopicId() : wanted.topic_id;
    if (!answered_.emplace(wanted.name, id).second) return true;
    if (wanted.name) {
      add_by_name(*wanted.name);
    } else if (const FoundTopic topic = access_.topic(id, Operation::describe)) {
      add(*topic.topic);
    } else {
      response_.topics.push_back(missing(std::nullopt, id, topic.code));
    }
    return true;
  }

  void add(const Topic& topic) {
    response_.topics.push_back(describe(topic, request_.include_topic_authorized_operations));
  }

  void add_by_name(const std::string& name) {
    const FoundTopic topic = access_.topic(name, Operation::describe);
    if (topic) return add(*topic.topic);
    const auto add_missing = [&](std::int16_t code) {
      response_.topics.push_back(missing(name, {}, code));
    };
    if (auto legal = check_topic_name(name); !legal) return add_missing(wire_code(legal.error()));
    if (topic.code != broker_error::unknown_topic_or_partition) return add_missing(topic.code);
    const std::int32_t partitions = partitions_of_new(name);
    // A topic that has only directories left is not created over them.
    if (partitions == 0 || storage_.topics().refused_by_strays(name)) {
      return add_missing(broker_error::unknown_topic_or_partition);
    }
    if (!access_.may(Operation::create, name)) {
      return add_missing(broker_error::topic_authorization_failed);
    }
    create(name, partitions);
  }

  /// 0 if it is not created.
  [[nodiscard]] std::int32_t partitions_of_new(const std::string& name) {
    if (faults_ != nullptr) return faults_->partitions_on_first_use(name);
    return may_create_ ? 1 : 0;
  }

  // Reserves the topic's place in the answer.
  void create(const std::string& name, std::int32_t partitions) {
    response_.topics.emplace_back().name = name;
    ++under_way_;
    storage_.topics().create(
        name, partitions, {},
        [self = shared_from_this(), name,
         place = response_.topics.size() - 1](Result<Topic*> made) {
          // Another request may have created it meanwhile.
          const Topic* topic = made ? *made : self->access_.topic(name, Operation::describe).topic;
          self->response_.topics[place] =
              topic == nullptr
                  ? missing(name, {}, wire_code(made.error()))
                  : describe(*topic, self->request_.include_topic_authorized_operations);
          --self->under_way_;
          self->dispatcher_.wake(self->responder_.session());
        });
  }

  Dispatcher& dispatcher_;
  Storage& storage_;
  const Access access_;
  const Responder responder_;
  wire::MetadataRequest request_;
  const bool wants_all_;
  const bool may_create_;
  RequestFaults* const faults_;
  wire::MetadataResponse response_;
  std::size_t next_ = 0;
  std::string last_of_all_;
  std::size_t under_way_ = 0;
  std::set<std::pair<std::optional<std::string>, TopicId>> answered_;
};

}  // namespace

void handle(Call& call, wire::MetadataRequest request) {
  const Needed node = call.node;
  serve_in_slices(node.get<Dispatcher>(), call.responder,
                  std::make_shared<Describing>(node, call, std::move(request)));
}

}  // namespace dohle::node
