#include "client/admin/admin_topics.hpp"

#include <charconv>
#include <map>

#include "base/option_checks.hpp"
#include "wire/messages/create_partitions.hpp"
#include "wire/messages/create_topics.hpp"
#include "wire/messages/delete_topics.hpp"
#include "wire/messages/describe_configs.hpp"

namespace dohle::client {

namespace {

using wire::CreatePartitionsRequest;
using wire::CreatePartitionsResponse;
using wire::CreateTopicsRequest;
using wire::CreateTopicsResponse;
using wire::DeleteTopicsRequest;
using wire::DeleteTopicsResponse;
using wire::DescribeConfigsRequest;
using wire::DescribeConfigsResponse;
using wire::MetadataRequest;
using wire::MetadataResponse;

std::string text_of(const std::optional<std::string>& text) {
  return text.value_or(std::string());
}

std::vector<std::string> names_of(const std::vector<NewTopic>& topics) {
  std::vector<std::string> names;
  for (const NewTopic& topic : topics) names.push_back(topic.name);
  return names;
}

std::vector<std::string> names_of(const std::vector<NewPartitions>& partitions) {
  std::vector<std::string> names;
  for (const NewPartitions& each : partitions) names.push_back(each.topic);
  return names;
}

/// The time limit for the server, which reports an error if it is not enough.
std::int32_t server_timeout(Duration left) {
  constexpr Duration most = std::chrono::seconds(25);
  return static_cast<std::int32_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::min(left, most)).count());
}

/// A call to the controller, which changes topics. An unanswered request may have been carried
/// out, and a frozen server may carry it out later.
template <class Answer>
class ControllerCall : public ItemsCall<Answer> {
 public:
  using ItemsCall<Answer>::ItemsCall;

 protected:
  template <class M, class Take>
  void ask_controller(const std::vector<std::size_t>& items, M message, Take take) {
    this->ask(this->cluster().controller(), items, std::move(message), std::move(take),
              WhenLate::wait);
  }
  void lose(const std::vector<std::size_t>& asked, const Error& why) {
    const bool is_done_perhaps = why.is_retriable() && this->may_be_done(why);
    if (is_done_perhaps) {
      lost_.insert(lost_.end(), asked.begin(), asked.end());
      this->warn_of_repetition(asked, why);
    }
    for (const std::size_t item : asked) {
      this->on_item_failure(item, why.within(this->doing(item)));
    }
  }
  /// The server refused the item.
  void refuse(std::size_t item, std::int16_t code, const std::string& server_message) {
    const bool was_lost = std::ranges::find(lost_, item) != lost_.end();
    const auto where =
        this->doing(item) + (was_lost ? " (an earlier request was lost and may have done it)" : "");
    const Error why = Error::broker(code, where, server_message);
    // The server continues after its time limit. A repeated request would only find it done.
    if (why.is_broker(broker_error::request_timed_out)) return this->settle(item, fail(why));
    this->on_item_failure(item, why);
  }
  void settle_the_rest(const std::vector<std::size_t>& asked) {
    for (const std::size_t item : asked) {
      if (this->last_failure(item)) continue;
      this->settle(item,
                   fail(Error::client(Errc::malformed,
                                      this->doing(item) + ": the answer has no entry for it")));
    }
  }

 private:
  std::vector<std::size_t> lost_;
};

/// Starts the call once the cluster's servers are known. A server that is known by its bootstrap
/// address alone would not be recognized when the cluster removes it.
template <class Call>
void start_connected(Cluster& cluster, CallTime& time, std::shared_ptr<Call> call) {
  const auto wait = cluster.when_connected(
      time.deadline(), [call = std::move(call)](const Result<void>&) { call->start(); });
  time.on_end([&cluster, wait] { cluster.expire_wait(wait); });
}

class CreateTopics final : public ControllerCall<CreatedTopic> {
 public:
  CreateTopics(Cluster& cluster, std::vector<NewTopic> topics, bool validate_only,
               SharedCallTime time, Then then)
      : ControllerCall(cluster, std::move(time), "create topic", names_of(topics), std::move(then)),
        topics_(std::move(topics)),
        validate_only_(validate_only) {}

 private:
  void ask_about(const std::vector<std::size_t>& pending) override {
    CreateTopicsRequest request;
    request.timeout_ms = server_timeout(left());
    request.validate_only = validate_only_;
    for (const std::size_t item : pending) request.topics.push_back(creatable(topics_[item]));
    ask_controller(pending, std::move(request),
                   [this, pending](Result<CreateTopicsResponse> answer) {
                     if (!answer) return lose(pending, answer.error());
                     for (const auto& made : answer->topics) take(made, pending);
                     settle_the_rest(pending);
                   });
  }
  static CreateTopicsRequest::CreatableTopic creatable(const NewTopic& topic) {
    CreateTopicsRequest::CreatableTopic made;
    made.name = topic.name;
    made.num_partitions = topic.partitions;
    made.replication_factor = topic.replication_factor;
    for (const auto& [key, value] : topic.config) made.configs.push_back({key, value});
    return made;
  }
  void take(const CreateTopicsResponse::CreatableTopicResult& made,
            const std::vector<std::size_t>& pending) {
    for (const std::size_t item : pending) {
      if (name(item) != made.name) continue;
      if (made.error_code != broker_error::none) {
        refuse(item, made.error_code, text_of(made.error_message));
      } else {
        settle(item, CreatedTopic{made.topic_id, made.num_partitions, made.replication_factor});
      }
    }
  }

  std::vector<NewTopic> topics_;
  bool validate_only_;
};

class CreatePartitions final : public ControllerCall<void> {
 public:
  CreatePartitions(Cluster& cluster, std::vector<NewPartitions> partitions, bool validate_only,
                   SharedCallTime time, Then then)
      : ControllerCall(cluster, std::move(time), "create partitions of topic", names_of(partitions),
                       std::move(then)),
        partitions_(std::move(partitions)),
        validate_only_(validate_only) {}

 private:
  void ask_about(const std::vector<std::size_t>& pending) override {
    CreatePartitionsRequest request;
    request.timeout_ms = server_timeout(left());
    request.validate_only = validate_only_;
    for (const std::size_t item : pending) request.topics.push_back(grown(partitions_[item]));
    ask_controller(pending, std::move(request),
                   [this, pending](Result<CreatePartitionsResponse> answer) {
                     if (!answer) return lose(pending, answer.error());
                     for (const auto& result : answer->results) take(result, pending);
                     settle_the_rest(pending);
                   });
  }
  static CreatePartitionsRequest::CreatePartitionsTopic grown(const NewPartitions& wanted) {
    CreatePartitionsRequest::CreatePartitionsTopic topic;
    topic.name = wanted.topic;
    topic.count = wanted.total;
    topic.assignments.reset();
    if (!wanted.assignments) return topic;
    topic.assignments.emplace();
    for (const auto& servers : *wanted.assignments) topic.assignments->push_back({servers});
    return topic;
  }
  void take(const CreatePartitionsResponse::CreatePartitionsTopicResult& result,
            const std::vector<std::size_t>& pending) {
    for (const std::size_t item : pending) {
      if (name(item) != result.name) continue;
      if (result.error_code != broker_error::none) {
        refuse(item, result.error_code, text_of(result.error_message));
      } else {
        if (!validate_only_) cluster().doubt();
        settle(item, {});
      }
    }
  }

  std::vector<NewPartitions> partitions_;
  bool validate_only_;
};

class DeleteTopics final : public ControllerCall<void> {
 public:
  DeleteTopics(Cluster& cluster, std::vector<std::string> names, SharedCallTime time, Then then)
      : ControllerCall(cluster, std::move(time), "delete topic", std::move(names),
                       std::move(then)) {}

 private:
  void ask_about(const std::vector<std::size_t>& pending) override {
    DeleteTopicsRequest request;
    request.timeout_ms = server_timeout(left());
    for (const std::size_t item : pending) {
      request.topic_names.push_back(name(item));
      request.topics.emplace_back().name = name(item);
    }
    ask_controller(pending, std::move(request),
                   [this, pending](Result<DeleteTopicsResponse> answer) {
                     if (!answer && was_late() && may_be_done(answer.error()))
                       return doubt(pending, answer.error());
                     if (!answer) return lose(pending, answer.error());
                     for (const auto& deleted : answer->responses) take(deleted, pending);
                     settle_the_rest(pending);
                   });
  }
  /// A frozen server that continues deletes the topic that has the name then: perhaps a new one,
  /// created after another server had deleted the old one.
  void doubt(const std::vector<std::size_t>& asked, const Error& why) {
    for (const std::size_t item : asked) {
      settle(item, fail(Error::client(
                       Errc::timed_out,
                       fmt::format("{}: the server that was asked owes its answer and may still "
                                   "delete it; look for the topic before this is repeated ({})",
                                   doing(item), why.message()))));
    }
  }
  void take(const DeleteTopicsResponse::DeletableTopicResult& deleted,
            const std::vector<std::size_t>& pending) {
    for (const std::size_t item : pending) {
      if (name(item) != deleted.name) continue;
      if (deleted.error_code != broker_error::none) {
        refuse(item, deleted.error_code, text_of(deleted.error_message));
      } else {
        settle(item, {});
      }
    }
  }
};

PartitionDescription describe(const MetadataResponse::MetadataResponsePartition& partition) {
  return {partition.partition_index, partition.leader_id, partition.leader_epoch,
          partition.replica_nodes,   partition.isr_nodes, partition.offline_replicas};
}

TopicDescription describe(const MetadataResponse::MetadataResponseTopic& topic) {
  TopicDescription described{text_of(topic.name), topic.topic_id, topic.is_internal, {}};
  for (const auto& partition : topic.partitions)
    described.partitions.push_back(describe(partition));
  std::ranges::sort(described.partitions, {}, &PartitionDescription::partition);
  return described;
}

class DescribeTopics final : public ItemsCall<TopicDescription> {
 public:
  DescribeTopics(Cluster& cluster, std::vector<std::string> names, SharedCallTime time, Then then)
      : ItemsCall(cluster, std::move(time), "describe topic", std::move(names), std::move(then)) {}

 private:
  void ask_about(const std::vector<std::size_t>& pending) override {
    std::vector<std::string> names;
    for (const std::size_t item : pending) names.push_back(name(item));
    const auto taken = [this, pending](Result<MetadataResponse> answer) {
      if (answer) ++answers_;
      for (const std::size_t item : pending) {
        if (answer) {
          take(item, *answer);
        } else {
          on_item_failure(item, answer.error().within(doing(item)));
        }
      }
    };
    ask(cluster().any_node(), pending, ask_for_topics(names), taken);
  }
  void take(std::size_t item, const MetadataResponse& answer) {
    const auto found = std::ranges::find_if(
        answer.topics, [&](const auto& each) { return each.name == name(item); });
    const std::int16_t code = found != answer.topics.end() ? found->error_code
                              : answer.error_code != broker_error::none
                                  ? answer.error_code
                                  : broker_error::unknown_topic_or_partition;
    if (code == broker_error::none) return settle(item, describe(*found));
    const Error why = Error::broker(code, doing(item));
    if (code == broker_error::unknown_topic_or_partition &&
        answers_ < max_unknown_answers(cluster())) {
      return repeat(item, why);
    }
    on_item_failure(item, why);
  }

  int answers_ = 0;
};

Result<std::vector<TopicListing>> listings(const MetadataResponse& answer) {
  if (answer.error_code != broker_error::none) return fail(Error::broker(answer.error_code));
  std::vector<TopicListing> topics;
  for (const auto& topic : answer.topics) {
    TopicListing listing{text_of(topic.name), topic.topic_id, topic.is_internal};
    listing.partitions = static_cast<std::int32_t>(topic.partitions.size());
    if (!topic.partitions.empty()) {
      listing.replication_factor =
          static_cast<std::int16_t>(topic.partitions.front().replica_nodes.size());
    }
    topics.push_back(std::move(listing));
  }
  std::ranges::sort(topics, {}, &TopicListing::name);
  return topics;
}

std::vector<std::string> names_of(const std::vector<ConfigResource>& resources) {
  std::vector<std::string> names;
  for (const ConfigResource& resource : resources) {
    const bool is_topic = resource.type == ConfigResourceType::topic;
    names.push_back((is_topic ? "topic " : "broker ") + resource.name);
  }
  return names;
}

class DescribeConfigs final : public ItemsCall<std::vector<ConfigEntry>> {
 public:
  DescribeConfigs(Cluster& cluster, std::vector<ConfigResource> resources, SharedCallTime time,
                  Then then)
      : ItemsCall(cluster, std::move(time), "describe configuration of", names_of(resources),
                  std::move(then)),
        resources_(std::move(resources)) {}

 private:
  void ask_about(const std::vector<std::size_t>& pending) override {
    std::map<NodeId, std::vector<std::size_t>> by_server;
    for (const std::size_t item : pending) {
      const auto server = server_of(resources_[item]);
      if (server) {
        by_server[*server].push_back(item);
      } else {
        settle(item, fail(server.error().within(doing(item))));
      }
    }
    for (const auto& [server, items] : by_server) ask_server(server, items);
  }
  void ask_server(NodeId server, const std::vector<std::size_t>& items) {
    DescribeConfigsRequest request;
    for (const std::size_t item : items) {
      const ConfigResource& resource = resources_[item];
      request.resources.push_back(
          {static_cast<std::int8_t>(resource.type), resource.name, std::nullopt});
    }
    const auto taken = [this, items](Result<DescribeConfigsResponse> answer) {
      for (const std::size_t item : items) {
        if (answer) {
          take(item, *answer);
        } else {
          on_item_failure(item, answer.error().within(doing(item)));
        }
      }
    };
    if (server.is_none()) return ask(cluster().any_node(), items, std::move(request), taken);
    ask(server, items, std::move(request), taken, WhenLate::wait);
  }
  /// None for any server.
  static Result<NodeId> server_of(const ConfigResource& resource) {
    using enum ConfigResourceType;
    if (auto known = check_enum("type", resource.type, {topic, broker}); !known) {
      return fail(known.error());
    }
    if (resource.type == topic) return NodeId{};
    NodeId server;
    const char* const end = resource.name.data() + resource.name.size();
    const auto [parsed, fault] = std::from_chars(resource.name.data(), end, server.value);
    if (fault == std::errc() && parsed == end && server.value >= 0) return server;
    return fail(Error::client(Errc::invalid_argument, "a server is named by its node id"));
  }
  void take(std::size_t item, const DescribeConfigsResponse& answer) {
    const ConfigResource& resource = resources_[item];
    const auto about = std::ranges::find_if(answer.results, [&](const auto& each) {
      return each.resource_name == resource.name &&
             each.resource_type == static_cast<std::int8_t>(resource.type);
    });
    if (about == answer.results.end()) {
      return settle(item, fail(Error::client(Errc::malformed,
                                             doing(item) + ": the answer has no entry for it")));
    }
    if (about->error_code != broker_error::none) {
      return on_item_failure(
          item, Error::broker(about->error_code, doing(item), text_of(about->error_message)));
    }
    settle(item, entries(*about));
  }
  static std::vector<ConfigEntry> entries(
      const DescribeConfigsResponse::DescribeConfigsResult& result) {
    constexpr std::int8_t source_default = 5;
    std::vector<ConfigEntry> found;
    for (const auto& each : result.configs) {
      found.push_back({each.name, each.value, each.config_source == source_default, each.read_only,
                       each.is_sensitive});
    }
    std::ranges::sort(found, {}, &ConfigEntry::name);
    return found;
  }

  std::vector<ConfigResource> resources_;
};

Result<ClusterDescription> read_cluster(const MetadataResponse& answer) {
  if (answer.error_code != broker_error::none) return fail(Error::broker(answer.error_code));
  ClusterDescription described{text_of(answer.cluster_id), answer.controller_id, {}};
  for (const auto& broker : answer.brokers) {
    if (broker.port < 1 || broker.port > 65'535) {
      return fail(Error::client(
          Errc::malformed, fmt::format("node {} has port {}", broker.node_id.value, broker.port)));
    }
    described.nodes.push_back(
        {broker.node_id, broker.host, static_cast<std::uint16_t>(broker.port), broker.rack});
  }
  std::ranges::sort(described.nodes, {}, &NodeDescription::id);
  return described;
}

}  // namespace

MetadataRequest ask_for_topics(const std::vector<std::string>& names) {
  MetadataRequest request;
  request.allow_auto_topic_creation = false;
  for (const std::string& name : names) request.topics->emplace_back().name = name;
  return request;
}

void create_topics(Cluster& cluster, std::vector<NewTopic> topics, bool validate_only,
                   SharedCallTime time, ItemsCall<CreatedTopic>::Then then) {
  start_connected(cluster, *time,
                  std::make_shared<CreateTopics>(cluster, std::move(topics), validate_only, time,
                                                 std::move(then)));
}

void create_partitions(Cluster& cluster, std::vector<NewPartitions> partitions, bool validate_only,
                       SharedCallTime time, ItemsCall<void>::Then then) {
  start_connected(cluster, *time,
                  std::make_shared<CreatePartitions>(cluster, std::move(partitions), validate_only,
                                                     time, std::move(then)));
}

void delete_topics(Cluster& cluster, std::vector<std::string> names, SharedCallTime time,
                   ItemsCall<void>::Then then) {
  start_connected(cluster, *time,
                  std::make_shared<DeleteTopics>(cluster, std::move(names), time, std::move(then)));
}

void describe_topics(Cluster& cluster, std::vector<std::string> names, SharedCallTime time,
                     ItemsCall<TopicDescription>::Then then) {
  std::make_shared<DescribeTopics>(cluster, std::move(names), std::move(time), std::move(then))
      ->start();
}

void list_topics(Cluster& cluster, SharedCallTime time,
                 AdminCall<std::vector<TopicListing>>::Then then) {
  using Call = SingleCall<std::vector<TopicListing>, MetadataRequest>;
  const auto make = [] {
    MetadataRequest request = ask_for_topics({});
    request.topics = std::nullopt;
    return request;
  };
  std::make_shared<Call>(cluster, std::move(time), "list topics", make, listings, std::move(then))
      ->start();
}

void describe_configs(Cluster& cluster, std::vector<ConfigResource> resources, SharedCallTime time,
                      ItemsCall<std::vector<ConfigEntry>>::Then then) {
  std::make_shared<DescribeConfigs>(cluster, std::move(resources), std::move(time), std::move(then))
      ->start();
}

void describe_cluster(Cluster& cluster, SharedCallTime time,
                      AdminCall<ClusterDescription>::Then then) {
  using Call = SingleCall<ClusterDescription, MetadataRequest>;
  const auto make = [] { return ask_for_topics({}); };
  std::make_shared<Call>(cluster, std::move(time), "describe the cluster", make, read_cluster,
                         std::move(then))
      ->start();
}

}  // namespace dohle::client
