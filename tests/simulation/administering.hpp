#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/admin/admin_groups.hpp"
#include "client/admin/admin_offsets.hpp"
#include "client/admin/admin_topics.hpp"
#include "sim/process.hpp"
#include "simulation/complaints.hpp"
#include "unit/client/scripted_answers.hpp"
#include "unit/client/scripted_cluster.hpp"
#include "wire/messages/create_partitions.hpp"
#include "wire/messages/create_topics.hpp"
#include "wire/messages/delete_groups.hpp"
#include "wire/messages/describe_configs.hpp"
#include "wire/messages/describe_groups.hpp"
#include "wire/messages/list_groups.hpp"

namespace dohle::simulation {

/// Scripts the servers' answers to administrators that ScriptedReading does not give. Groups have
/// one coordinator; any server creates topics, as in Apache Kafka.
inline void answer_administrators(client::ClusterScript& script, const NodeId& coordinator) {
  const auto fault_at = [&coordinator](NodeId at) {
    return at == coordinator ? std::int16_t{0} : broker_error::not_coordinator;
  };
  script.on<wire::CreateTopicsRequest>([](NodeId, const wire::CreateTopicsRequest& asked) {
    wire::CreateTopicsResponse answer;
    for (const auto& topic : asked.topics) answer.topics.emplace_back().name = topic.name;
    return answer;
  });
  script.on<wire::CreatePartitionsRequest>([](NodeId, const wire::CreatePartitionsRequest& asked) {
    wire::CreatePartitionsResponse answer;
    for (const auto& topic : asked.topics) answer.results.emplace_back().name = topic.name;
    return answer;
  });
  script.on<wire::DescribeConfigsRequest>(
      [](NodeId, const wire::DescribeConfigsRequest& asked) { return client::answer_each(asked); });
  script.on<wire::ListGroupsRequest>(
      [](NodeId, const wire::ListGroupsRequest&) { return wire::ListGroupsResponse{}; });
  script.on<wire::DescribeGroupsRequest>(
      [fault_at](NodeId at, const wire::DescribeGroupsRequest& asked) {
        wire::DescribeGroupsResponse answer;
        auto& group = answer.groups.emplace_back();
        group.group_id = asked.groups.at(0);
        group.group_state = "Stable";
        group.error_code = fault_at(at);
        return answer;
      });
  script.on<wire::DeleteGroupsRequest>(
      [fault_at](NodeId at, const wire::DeleteGroupsRequest& asked) {
        wire::DeleteGroupsResponse answer;
        auto& group = answer.results.emplace_back();
        group.group_id = asked.groups_names.at(0);
        group.error_code = fault_at(at);
        return answer;
      });
}

/// Repeats each call of Admin that a lost server may delay, and measures the longest call of each
/// kind.
class Administrator {
 public:
  static constexpr Duration call_every = std::chrono::milliseconds(250);
  static constexpr Duration call_timeout = std::chrono::seconds(60);

  /// The longest call of one kind so far, including a running one.
  struct Taken {
    std::string call;
    /// Whether any server can answer it.
    bool is_for_any = false;
    Duration longest{};
  };

  /// `complaints` must outlive the object.
  Administrator(sim::Process& self, client::Cluster::Options engine, Complaints& complaints)
      : self_(self),
        complaints_(complaints),
        client_(std::make_shared<client::SimulatedClient>(self, std::move(engine))) {
    using namespace client;
    const TopicPartition where{"orders", PartitionId{0}};
    add<std::vector<TopicListing>>("list_topics", true, [](Cluster& cluster, auto then) {
      list_topics(cluster, CallTime::from(cluster.now(), call_timeout), std::move(then));
    });
    add<std::vector<Result<TopicDescription>>>(
        "describe_topics", true, [](Cluster& cluster, auto then) {
          describe_topics(cluster, {"orders"}, CallTime::from(cluster.now(), call_timeout),
                          std::move(then));
        });
    add<std::vector<Result<std::vector<ConfigEntry>>>>(
        "describe_configs", true, [](Cluster& cluster, auto then) {
          describe_configs(cluster, {{ConfigResourceType::topic, "orders"}},
                           CallTime::from(cluster.now(), call_timeout), std::move(then));
        });
    add<std::vector<Result<OffsetAnswer::Found>>>(
        "list_offsets", false, [where](Cluster& cluster, auto then) {
          list_offsets(cluster, {{where, OffsetSpec::latest()}},
                       CallTime::from(cluster.now(), call_timeout), std::move(then));
        });
    add<std::vector<Result<CreatedTopic>>>("create_topics", false, [](Cluster& cluster, auto then) {
      create_topics(cluster, {{.name = "new"}}, false, CallTime::from(cluster.now(), call_timeout),
                    std::move(then));
    });
    add<std::vector<Result<void>>>("create_partitions", false, [](Cluster& cluster, auto then) {
      create_partitions(cluster, {{"orders", 9}}, false,
                        CallTime::from(cluster.now(), call_timeout), std::move(then));
    });
    add<std::vector<GroupListing>>("list_groups", false, [](Cluster& cluster, auto then) {
      list_groups(cluster, CallTime::from(cluster.now(), call_timeout), std::move(then));
    });
    add<std::vector<Result<GroupDescription>>>(
        "describe_groups", false, [](Cluster& cluster, auto then) {
          describe_groups(cluster, {"g"}, CallTime::from(cluster.now(), call_timeout),
                          std::move(then));
        });
    add<std::vector<Result<void>>>("delete_groups", false, [](Cluster& cluster, auto then) {
      delete_groups(cluster, {"other"}, CallTime::from(cluster.now(), call_timeout),
                    std::move(then));
    });
    add<std::vector<Result<std::vector<GroupOffset>>>>(
        "group_offsets", false, [](Cluster& cluster, auto then) {
          group_offsets(cluster, "g", CallTime::from(cluster.now(), call_timeout), std::move(then));
        });
    for (auto& [call, kind] : kinds_) call_later(kind);
  }
  Administrator(const Administrator&) = delete;
  Administrator& operator=(const Administrator&) = delete;

  [[nodiscard]] std::vector<Taken> taken() const {
    std::vector<Taken> all;
    for (const auto& [call, kind] : kinds_) {
      const Duration running = kind.is_running ? self_.clock().mono() - kind.began : Duration{};
      all.push_back({call, kind.is_for_any, std::max(kind.longest, running)});
    }
    return all;
  }
  void forget_longest() {
    for (auto& [call, kind] : kinds_) kind.longest = {};
  }

 private:
  struct Kind {
    bool is_for_any = false;
    std::function<void()> begin;
    bool is_running = false;
    TimePoint began{};
    Duration longest{};
  };

  template <class T, class Call>
  void add(const std::string& name, bool is_for_any, Call call) {
    Kind& kind = kinds_[name];
    kind.is_for_any = is_for_any;
    kind.begin = [this, &kind, name, call] {
      kind.is_running = true;
      kind.began = self_.clock().mono();
      call(client_->cluster(), [this, &kind, name](Result<T> outcome) {
        kind.is_running = false;
        kind.longest = std::max<Duration>(kind.longest, self_.clock().mono() - kind.began);
        judge(name, outcome);
        call_later(kind);
      });
    };
  }
  void call_later(Kind& kind) {
    self_.executor().arm(self_.clock().mono() + call_every, [&kind] { kind.begin(); });
  }
  template <class T>
  void judge(const std::string& name, const Result<T>& outcome) {
    if (!outcome) complaints_.add(name + " fails: " + outcome.error().to_string());
  }
  template <class T>
  void judge(const std::string& name, const Result<std::vector<Result<T>>>& outcome) {
    if (!outcome) return complaints_.add(name + " fails: " + outcome.error().to_string());
    for (const auto& each : *outcome) {
      if (!each) complaints_.add(name + " fails: " + each.error().to_string());
    }
  }

  sim::Process& self_;
  Complaints& complaints_;
  std::shared_ptr<client::SimulatedClient> client_;
  std::map<std::string, Kind> kinds_;
};

}  // namespace dohle::simulation
