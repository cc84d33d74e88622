// Admin's calls against scripted servers over the simulated network.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/broker_errors.hpp"
#include "client/admin/admin_groups.hpp"
#include "client/admin/admin_offsets.hpp"
#include "client/admin/admin_topics.hpp"
#include "client/group/assignor.hpp"
#include "scripted_answers.hpp"
#include "scripted_cluster.hpp"
#include "wire/messages/create_partitions.hpp"
#include "wire/messages/create_topics.hpp"
#include "wire/messages/delete_groups.hpp"
#include "wire/messages/delete_topics.hpp"
#include "wire/messages/describe_configs.hpp"
#include "wire/messages/describe_groups.hpp"
#include "wire/messages/find_coordinator.hpp"
#include "wire/messages/list_groups.hpp"
#include "wire/messages/list_offsets.hpp"
#include "wire/messages/offset_fetch.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;
namespace code = broker_error;

constexpr NodeId one{1};
constexpr NodeId two{2};

class AdminOnCluster : public testing::Test, public ScriptedWorld {
 protected:
  void start() {
    ScriptedWorld::start([](std::shared_ptr<SimulatedClient> made, sim::Process&) { return made; });
  }
  /// Runs `call(cluster, then)` until it ends, for at most `time`.
  template <class T, class Call>
  std::optional<Result<T>> run(Call call, Duration time = 20s) {
    if (process == nullptr) start();
    std::optional<Result<T>> outcome;
    on_loop([&, this] {
      call(client->cluster(), [&](Result<T> done) { outcome.emplace(std::move(done)); });
    });
    world.run_until([&] { return outcome.has_value(); }, time);
    return outcome;
  }
  template <class Answer, class Call>
  std::vector<Result<Answer>> items(Call call, Duration time = 20s) {
    auto outcome = run<std::vector<Result<Answer>>>(std::move(call), time);
    EXPECT_TRUE(outcome);
    if (!outcome) return {};
    EXPECT_TRUE(*outcome) << outcome->error().to_string();
    return *outcome ? std::move(**outcome) : std::vector<Result<Answer>>{};
  }
  std::vector<Result<CreatedTopic>> create(std::vector<NewTopic> topics, Duration timeout = 10s) {
    return items<CreatedTopic>([&](Cluster& cluster, auto then) {
      create_topics(cluster, topics, false, CallTime::from(cluster.now(), timeout),
                    std::move(then));
    });
  }
  static wire::CreateTopicsResponse created(const wire::CreateTopicsRequest& request,
                                            std::int16_t error = 0) {
    wire::CreateTopicsResponse answer;
    for (const auto& topic : request.topics) {
      auto& made = answer.topics.emplace_back();
      made.name = topic.name;
      made.error_code = error;
      made.num_partitions = topic.num_partitions;
    }
    return answer;
  }
  /// The number at the end of a group's name is that of its coordinator: "g1", "g2".
  void script_coordinators() {
    script.on<wire::FindCoordinatorRequest>(
        [](NodeId, const wire::FindCoordinatorRequest& request) {
          wire::FindCoordinatorResponse answer;
          if (request.coordinator_keys.empty()) answer.node_id = NodeId{request.key.back() - '0'};
          for (const auto& key : request.coordinator_keys) {
            auto& found = answer.coordinators.emplace_back();
            found.key = key;
            found.node_id = NodeId{key.back() - '0'};
          }
          return answer;
        });
  }
};

TEST_F(AdminOnCluster, FollowsTheControllerToAnotherServer) {
  std::vector<NodeId> asked;
  script.on<wire::CreateTopicsRequest>([&](NodeId at, const wire::CreateTopicsRequest& request) {
    asked.push_back(at);
    if (at == script.controller) return created(request);
    return created(request, code::not_controller);
  });
  start();
  on_loop([this] { client->cluster().when_connected(world.now() + 5s, [](Result<void>) {}); });
  world.run_for(1s);
  script.controller = two;
  const auto results = create({{.name = "a", .partitions = 3}});
  ASSERT_EQ(results.size(), 1U);
  ASSERT_TRUE(results[0]) << results[0].error().to_string();
  EXPECT_EQ(results[0]->partitions, 3);
  EXPECT_EQ(asked.front(), one);
  EXPECT_EQ(asked.back(), two);
}

TEST_F(AdminOnCluster, NamesTheLastFailureAtItsDeadline) {
  script.on<wire::CreateTopicsRequest>([](NodeId, const wire::CreateTopicsRequest& request) {
    return created(request, code::not_controller);
  });
  const auto results = create({{.name = "a"}}, 3s);
  ASSERT_EQ(results.size(), 1U);
  ASSERT_FALSE(results[0]);
  EXPECT_TRUE(results[0].error().is(Errc::timed_out));
  EXPECT_EQ(results[0].error().message(),
            "create topic a: not done within 3000 ms; last: " +
                Error::broker(code::not_controller, "create topic a").to_string());
}

TEST_F(AdminOnCluster, ContinuesSoonAfterItsServerCameBack) {
  engine_options.max_reconnect_backoff = 100ms;
  engine_options.max_retry_backoff = 1min;
  script.on<wire::CreateTopicsRequest>(
      [](NodeId, const wire::CreateTopicsRequest& request) { return created(request); });
  script.brokers = {one};
  start();
  on_loop([this] { client->cluster().when_connected(world.now() + 5s, [](Result<void>) {}); });
  world.run_for(1s);
  sim::Process& broker = *world.machine("broker-1").process("broker-1");
  broker.kill();
  world.after(30s, [&broker] { broker.restart(); });
  const TimePoint began = world.now();
  const auto results = items<CreatedTopic>(
      [](Cluster& cluster, auto then) {
        create_topics(cluster, {{.name = "a"}}, false, CallTime::from(cluster.now(), 2min),
                      std::move(then));
      },
      2min);
  ASSERT_EQ(results.size(), 1U);
  EXPECT_TRUE(results[0]) << results[0].error().to_string();
  EXPECT_LE(world.now() - began, Duration(31s));
}

TEST_F(AdminOnCluster, NamesTheSilentServerAtItsDeadline) {
  script.on<wire::CreateTopicsRequest>(
      [](NodeId, const wire::CreateTopicsRequest&) { return std::nullopt; });
  const auto results = create({{.name = "a"}}, 3s);
  ASSERT_EQ(results.size(), 1U);
  ASSERT_FALSE(results[0]);
  EXPECT_EQ(results[0].error().message(),
            "create topic a: not done within 3000 ms: broker-1:9092 has not answered CreateTopics");
}

TEST_F(AdminOnCluster, ReportsTheOutcomeOfEachItem) {
  script.on<wire::CreateTopicsRequest>([](NodeId, const wire::CreateTopicsRequest& request) {
    auto answer = created(request);
    answer.topics.at(1).error_code = code::topic_already_exists;
    answer.topics.at(2).error_code = code::invalid_partitions;
    answer.topics.at(2).error_message = "too many";
    answer.topics.pop_back();
    return answer;
  });
  const auto results = create({{.name = "a"}, {.name = "b"}, {.name = "c"}, {.name = "d"}});
  ASSERT_EQ(results.size(), 4U);
  EXPECT_TRUE(results[0]);
  EXPECT_TRUE(results[1].error().is_broker(code::topic_already_exists));
  EXPECT_NE(results[1].error().message().find("create topic b"), std::string_view::npos);
  EXPECT_TRUE(results[2].error().is_broker(code::invalid_partitions));
  EXPECT_EQ(results[2].error().server_message(), "too many");
  EXPECT_TRUE(results[3].error().is(Errc::malformed));
}

TEST_F(AdminOnCluster, RepeatsOnlyItemsWithRetriableFailures) {
  std::vector<std::vector<std::string>> asked;
  script.on<wire::DeleteTopicsRequest>([&](NodeId, const wire::DeleteTopicsRequest& request) {
    auto& names = asked.emplace_back();
    wire::DeleteTopicsResponse answer;
    for (const auto& topic : request.topics) {
      names.push_back(*topic.name);
      auto& result = answer.responses.emplace_back();
      result.name = topic.name;
      if (topic.name == "b" && asked.size() < 3) result.error_code = code::not_controller;
      if (topic.name == "c") result.error_code = code::unknown_topic_or_partition;
    }
    return answer;
  });
  const auto results = items<void>([](Cluster& cluster, auto then) {
    delete_topics(cluster, {"a", "b", "c"}, CallTime::from(cluster.now(), 10s), std::move(then));
  });
  ASSERT_EQ(results.size(), 3U);
  EXPECT_TRUE(results[0]);
  EXPECT_TRUE(results[1]);
  EXPECT_TRUE(results[2].error().is_broker(code::unknown_topic_or_partition));
  EXPECT_EQ(asked, (std::vector<std::vector<std::string>>{{"a", "b", "c"}, {"b"}, {"b"}}));
}

TEST_F(AdminOnCluster, AddsPartitionsWithTheAssignmentsAndOutcomesOfEachTopic) {
  wire::CreatePartitionsRequest heard;
  script.on<wire::CreatePartitionsRequest>(
      [&](NodeId at, const wire::CreatePartitionsRequest& request) {
        if (at == script.controller) heard = request;
        wire::CreatePartitionsResponse answer;
        for (const auto& topic : request.topics) answer.results.emplace_back().name = topic.name;
        answer.results.at(1).error_code = code::invalid_partitions;
        answer.results.at(1).error_message = "Topic already has 3 partition(s).";
        answer.results.pop_back();
        return answer;
      });
  const auto results = items<void>([](Cluster& cluster, auto then) {
    create_partitions(cluster, {{"a", 4, {{{one, two}, {two}}}}, {"b", 3}, {"c", 3}}, true,
                      CallTime::from(cluster.now(), 10s), std::move(then));
  });
  ASSERT_EQ(heard.topics.size(), 3U);
  EXPECT_TRUE(heard.validate_only);
  EXPECT_EQ(heard.topics[0].count, 4);
  ASSERT_TRUE(heard.topics[0].assignments);
  EXPECT_EQ(heard.topics[0].assignments->at(0).broker_ids, (std::vector{one, two}));
  EXPECT_EQ(heard.topics[0].assignments->at(1).broker_ids, std::vector{two});
  EXPECT_FALSE(heard.topics[1].assignments);
  ASSERT_EQ(results.size(), 3U);
  EXPECT_TRUE(results[0]);
  EXPECT_TRUE(results[1].error().is_broker(code::invalid_partitions));
  EXPECT_EQ(results[1].error().server_message(), "Topic already has 3 partition(s).");
  EXPECT_NE(results[1].error().message().find("create partitions of topic b"),
            std::string_view::npos);
  EXPECT_TRUE(results[2].error().is(Errc::malformed));
}

TEST_F(AdminOnCluster, SaysThatLostPartitionsMayHaveBeenAdded) {
  int requests = 0;
  script.on<wire::CreatePartitionsRequest>([&](NodeId, const wire::CreatePartitionsRequest& request)
                                               -> std::optional<wire::CreatePartitionsResponse> {
    if (++requests == 1) {
      world.after(1ms, [this] { world.machine("broker-1").process("broker-1")->restart(); });
      return std::nullopt;
    }
    wire::CreatePartitionsResponse answer;
    answer.results.push_back({request.topics.at(0).name, code::invalid_partitions, {}});
    return answer;
  });
  const auto results = items<void>([](Cluster& cluster, auto then) {
    create_partitions(cluster, {{"a", 4}}, false, CallTime::from(cluster.now(), 10s),
                      std::move(then));
  });
  ASSERT_EQ(results.size(), 1U);
  ASSERT_FALSE(results[0]);
  EXPECT_TRUE(results[0].error().is_broker(code::invalid_partitions));
  EXPECT_NE(results[0].error().message().find("may have done it"), std::string_view::npos);
}

TEST_F(AdminOnCluster, RequestsMetadataOnceItHasAddedPartitions) {
  int asked = 0;
  script.on_metadata_asked = [&asked](NodeId) { ++asked; };
  script.on<wire::CreatePartitionsRequest>(
      [](NodeId, const wire::CreatePartitionsRequest& request) {
        wire::CreatePartitionsResponse answer;
        for (const auto& topic : request.topics) answer.results.emplace_back().name = topic.name;
        return answer;
      });
  const auto grow = [&](bool validate_only) {
    const int before = asked;
    (void)items<void>([&](Cluster& cluster, auto then) {
      create_partitions(cluster, {{"a", 4}}, validate_only, CallTime::from(cluster.now(), 10s),
                        std::move(then));
    });
    world.run_for(1s);
    return asked - before;
  };
  (void)grow(true);
  EXPECT_EQ(grow(true), 0);
  EXPECT_GT(grow(false), 0);
}

TEST_F(AdminOnCluster, AsksForManyItemsInRoundsOfFiveHundred) {
  std::vector<std::size_t> sizes;
  script.on<wire::CreateTopicsRequest>([&](NodeId, const wire::CreateTopicsRequest& request) {
    sizes.push_back(request.topics.size());
    return created(request);
  });
  std::vector<NewTopic> topics;
  for (int i = 0; i < 1'234; ++i) topics.push_back({.name = "t" + std::to_string(i)});
  const auto results = create(topics);
  ASSERT_EQ(results.size(), 1'234U);
  for (const auto& each : results) EXPECT_TRUE(each);
  EXPECT_EQ(sizes, (std::vector<std::size_t>{500, 500, 234}));
}

TEST_F(AdminOnCluster, SaysThatALostRequestMayHaveBeenCarriedOut) {
  int requests = 0;
  script.on<wire::CreateTopicsRequest>(
      [&](NodeId,
          const wire::CreateTopicsRequest& request) -> std::optional<wire::CreateTopicsResponse> {
        if (++requests == 1) {
          world.after(1ms, [this] { world.machine("broker-1").process("broker-1")->restart(); });
          return std::nullopt;
        }
        return created(request, code::topic_already_exists);
      });
  const auto results = create({{.name = "a"}});
  ASSERT_EQ(results.size(), 1U);
  ASSERT_FALSE(results[0]);
  EXPECT_TRUE(results[0].error().is_broker(code::topic_already_exists));
  EXPECT_NE(results[0].error().message().find("may have done it"), std::string_view::npos);
}

TEST_F(AdminOnCluster, ListsTheGroupsOfEveryServer) {
  script.on<wire::ListGroupsRequest>([&](NodeId at, const wire::ListGroupsRequest&) {
    wire::ListGroupsResponse answer;
    answer.groups.push_back({at == one ? "z" : "a", "consumer", "Stable", "classic"});
    answer.groups.push_back({"both", "consumer", "Empty", "classic"});
    return answer;
  });
  const auto listed = run<std::vector<GroupListing>>([](Cluster& cluster, auto then) {
    list_groups(cluster, CallTime::from(cluster.now(), 10s), std::move(then));
  });
  ASSERT_TRUE(listed && *listed);
  std::vector<std::string> ids;
  for (const auto& each : **listed) ids.push_back(each.group_id);
  EXPECT_EQ(ids, (std::vector<std::string>{"a", "both", "z"}));
}

TEST_F(AdminOnCluster, ListsNoGroupsWhenOneServerRefuses) {
  script.on<wire::ListGroupsRequest>([&](NodeId at, const wire::ListGroupsRequest&) {
    wire::ListGroupsResponse answer;
    if (at == two) answer.error_code = code::cluster_authorization_failed;
    return answer;
  });
  const auto listed = run<std::vector<GroupListing>>([](Cluster& cluster, auto then) {
    list_groups(cluster, CallTime::from(cluster.now(), 10s), std::move(then));
  });
  ASSERT_TRUE(listed);
  ASSERT_FALSE(*listed);
  EXPECT_TRUE(listed->error().is_broker(code::cluster_authorization_failed));
  EXPECT_NE(listed->error().message().find("node 2"), std::string_view::npos);
}

TEST_F(AdminOnCluster, WaitsForAServerThatLoadsItsGroups) {
  int refusals = 2;
  script.on<wire::ListGroupsRequest>([&](NodeId at, const wire::ListGroupsRequest&) {
    wire::ListGroupsResponse answer;
    if (at == two && refusals-- > 0) answer.error_code = code::coordinator_load_in_progress;
    return answer;
  });
  const auto listed = run<std::vector<GroupListing>>([](Cluster& cluster, auto then) {
    list_groups(cluster, CallTime::from(cluster.now(), 10s), std::move(then));
  });
  ASSERT_TRUE(listed && *listed);
  EXPECT_TRUE((*listed)->empty());
}

TEST_F(AdminOnCluster, AsksEachGroupsCoordinator) {
  script_coordinators();
  std::vector<std::pair<NodeId, std::string>> asked;
  script.on<wire::DescribeGroupsRequest>(
      [&](NodeId at, const wire::DescribeGroupsRequest& request) {
        wire::DescribeGroupsResponse answer;
        auto& group = answer.groups.emplace_back();
        group.group_id = request.groups.at(0);
        asked.emplace_back(at, group.group_id);
        group.group_state = group.group_id == "dead1" ? "Dead" : "Stable";
        group.protocol_type = "consumer";
        auto& member = group.members.emplace_back();
        member.member_id = "m";
        member.member_assignment = encode_assignment({{"orders", PartitionId{1}}}).value();
        // It moved; the next attempt finds the coordinator again.
        if (group.group_id == "g2" && asked.size() < 4) group.error_code = code::not_coordinator;
        return answer;
      });
  const auto results = items<GroupDescription>([](Cluster& cluster, auto then) {
    describe_groups(cluster, {"g1", "g2", "dead1"}, CallTime::from(cluster.now(), 10s),
                    std::move(then));
  });
  ASSERT_EQ(results.size(), 3U);
  ASSERT_TRUE(results[0]);
  EXPECT_EQ(results[0]->coordinator, one);
  EXPECT_EQ(results[0]->members.at(0).assignment,
            (std::vector<TopicPartition>{{"orders", PartitionId{1}}}));
  ASSERT_TRUE(results[1]);
  EXPECT_EQ(results[1]->coordinator, two);
  EXPECT_TRUE(results[2].error().is_broker(code::group_id_not_found));
  EXPECT_EQ(asked.size(), 4U);
}

TEST_F(AdminOnCluster, DeletesGroupsEachWithItsOutcome) {
  script_coordinators();
  script.on<wire::DeleteGroupsRequest>([](NodeId, const wire::DeleteGroupsRequest& request) {
    wire::DeleteGroupsResponse answer;
    auto& result = answer.results.emplace_back();
    result.group_id = request.groups_names.at(0);
    if (result.group_id == "g2") result.error_code = code::non_empty_group;
    return answer;
  });
  const auto results = items<void>([](Cluster& cluster, auto then) {
    delete_groups(cluster, {"g1", "g2"}, CallTime::from(cluster.now(), 10s), std::move(then));
  });
  ASSERT_EQ(results.size(), 2U);
  EXPECT_TRUE(results[0]);
  EXPECT_TRUE(results[1].error().is_broker(code::non_empty_group));
  EXPECT_NE(results[1].error().message().find("g2"), std::string_view::npos);
}

TEST_F(AdminOnCluster, ReadsTheOffsetsOfAGroupInOldAndNewVersions) {
  script_coordinators();
  script.on<wire::OffsetFetchRequest>([](NodeId, const wire::OffsetFetchRequest& request) {
    wire::OffsetFetchResponse answer;
    const auto fill = [](auto& topic) {
      topic.name = "orders";
      topic.partitions.push_back({PartitionId{1}, Offset{5}, LeaderEpoch{}, "note", 0});
      topic.partitions.push_back({PartitionId{0}, Offset{}, LeaderEpoch{}, "", 0});
    };
    if (request.groups.empty()) {
      fill(answer.topics.emplace_back());
    } else {
      auto& group = answer.groups.emplace_back();
      group.group_id = request.groups[0].group_id;
      fill(group.topics.emplace_back());
    }
    return answer;
  });
  for (const auto highest : {std::int16_t{12}, std::int16_t{3}}) {
    script.versions_up_to = highest;
    if (process != nullptr) process->restart();
    const auto results = items<std::vector<GroupOffset>>([](Cluster& cluster, auto then) {
      group_offsets(cluster, "g1", CallTime::from(cluster.now(), 10s), std::move(then));
    });
    ASSERT_EQ(results.size(), 1U);
    ASSERT_TRUE(results[0]) << results[0].error().to_string();
    ASSERT_EQ(results[0]->size(), 1U);
    EXPECT_EQ(results[0]->at(0).offset, Offset{5});
    EXPECT_EQ(results[0]->at(0).metadata, "note");
  }
}

TEST_F(AdminOnCluster, FindsOffsetsAtLeadersThatMoveMeanwhile) {
  std::vector<NodeId> asked;
  script.on<wire::ListOffsetsRequest>([&](NodeId at, const wire::ListOffsetsRequest& request) {
    asked.push_back(at);
    auto answer = answer_each(request, [&](const auto& wanted, auto& found) {
      found.offset = Offset{100 + wanted.timestamp.value};
      const auto index = static_cast<std::size_t>(wanted.partition_index.value);
      if (script.leaders.at(index).node != at) found.error_code = code::not_leader_or_follower;
    });
    // Moves the leader between the answer with its name and the request to it.
    if (asked.size() == 1) script.move_leader(0, two);
    return answer;
  });
  const std::vector<OffsetQuery> queries = {
      {{"orders", PartitionId{0}}, OffsetSpec::earliest()},
      {{"orders", PartitionId{0}}, OffsetSpec::latest()},
      {{"orders", PartitionId{1}}, OffsetSpec::at(Timestamp{7})},
      {{"orders", PartitionId{9}}, OffsetSpec::latest()}};
  const auto results = items<OffsetAnswer::Found>([&](Cluster& cluster, auto then) {
    list_offsets(cluster, queries, CallTime::from(cluster.now(), 10s), std::move(then));
  });
  ASSERT_EQ(results.size(), 4U);
  ASSERT_TRUE(results[0] && results[1] && results[2]);
  EXPECT_EQ(results[0]->offset, Offset{98});
  EXPECT_EQ(results[1]->offset, Offset{99});
  EXPECT_EQ(results[2]->offset, Offset{107});
  EXPECT_TRUE(results[3].error().is(Errc::no_such_partition));
  EXPECT_EQ(std::set<NodeId>(asked.begin(), asked.end()), (std::set{one, two}));
}

TEST_F(AdminOnCluster, DescribesTopicsAndTheirConfiguration) {
  script.on<wire::DescribeConfigsRequest>([](NodeId, const wire::DescribeConfigsRequest& request) {
    wire::DescribeConfigsResponse answer;
    auto& result = answer.results.emplace_back();
    result.resource_name = request.resources.at(0).resource_name;
    result.resource_type = request.resources.at(0).resource_type;
    if (result.resource_name == "missing") {
      result.error_code = code::unknown_topic_or_partition;
      return answer;
    }
    for (const char* name : {"segment.bytes", "cleanup.policy"}) {
      auto& entry = result.configs.emplace_back();
      entry.name = name;
      entry.value = "v";
    }
    return answer;
  });
  const auto topics = items<TopicDescription>([](Cluster& cluster, auto then) {
    describe_topics(cluster, {"orders", "missing"}, CallTime::from(cluster.now(), 10s),
                    std::move(then));
  });
  ASSERT_EQ(topics.size(), 2U);
  ASSERT_TRUE(topics[0]);
  EXPECT_EQ(topics[0]->partitions.at(1).leader, two);
  EXPECT_TRUE(topics[1].error().is_broker(code::unknown_topic_or_partition));
  for (const std::string name : {"orders", "missing"}) {
    const auto entries = items<std::vector<ConfigEntry>>([&](Cluster& cluster, auto then) {
      describe_configs(cluster, {{ConfigResourceType::topic, name}},
                       CallTime::from(cluster.now(), 10s), std::move(then));
    });
    ASSERT_EQ(entries.size(), 1U);
    ASSERT_EQ(entries[0].has_value(), name == "orders");
    if (entries[0]) {
      EXPECT_EQ(entries[0]->at(0).name, "cleanup.policy");
      EXPECT_EQ(entries[0]->size(), 2U);
    } else {
      EXPECT_TRUE(entries[0].error().is_broker(code::unknown_topic_or_partition));
    }
  }
}

// Frozen servers: the answer of one is overdue, and another server may have to give it.

class AdminBesideAFrozenServer : public AdminOnCluster {
 protected:
  AdminBesideAFrozenServer() {
    engine_options.bootstrap = {{"broker-1", 9092}, {"broker-2", 9092}};
  }
  /// Runs `call` and checks that it takes at most `most`.
  template <class Answer, class Call>
  std::vector<Result<Answer>> within(Duration most, Call call) {
    if (process == nullptr) start();
    const TimePoint began = world.now();
    auto results = items<Answer>(std::move(call), 2min);
    EXPECT_LE((world.now() - began) / 1ms, most / 1ms);
    return results;
  }
  /// The cluster removes the server 9 s from now, as one without heartbeats.
  void give_up(NodeId lost) {
    world.after(9s, [this, lost] {
      std::erase(script.brokers, lost);
      script.controller = script.brokers.front();
    });
  }
  static auto describe_orders(Duration timeout) {
    return [timeout](Cluster& cluster, auto then) {
      describe_configs(cluster, {{ConfigResourceType::topic, "orders"}},
                       CallTime::from(cluster.now(), timeout), std::move(then));
    };
  }
  std::vector<NodeId> asked_;
};

TEST_F(AdminBesideAFrozenServer, AsksAnotherServerForAnswersThatAnyCanGive) {
  script.on<wire::DescribeConfigsRequest>(
      [&](NodeId at, const wire::DescribeConfigsRequest& request)
          -> std::optional<wire::DescribeConfigsResponse> {
        asked_.push_back(at);
        if (at == asked_.front()) return std::nullopt;
        return answer_each(request);
      });
  const auto results = within<std::vector<ConfigEntry>>(7s, describe_orders(60s));
  ASSERT_EQ(results.size(), 1U);
  EXPECT_TRUE(results[0]) << results[0].error().to_string();
  ASSERT_EQ(asked_.size(), 2U);
  EXPECT_NE(asked_[0], asked_[1]);
}

TEST_F(AdminBesideAFrozenServer, AcceptsTheLateAnswerOfTheOnlyServerAndAsksItOnce) {
  script.brokers = {one};
  script.on<wire::DescribeConfigsRequest>(
      [&](NodeId at, const wire::DescribeConfigsRequest& request) {
        asked_.push_back(at);
        script.answer_after = 12s;
        return answer_each(request);
      });
  const auto results = within<std::vector<ConfigEntry>>(13s, describe_orders(60s));
  ASSERT_EQ(results.size(), 1U);
  EXPECT_TRUE(results[0]) << results[0].error().to_string();
  EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(AdminBesideAFrozenServer, NamesAtItsDeadlineTheServerThatHasNotAnswered) {
  script.on<wire::DescribeConfigsRequest>(
      [](NodeId, const wire::DescribeConfigsRequest&) { return std::nullopt; });
  const auto results = within<std::vector<ConfigEntry>>(20s, describe_orders(20s));
  ASSERT_EQ(results.size(), 1U);
  ASSERT_FALSE(results[0]);
  EXPECT_TRUE(results[0].error().is(Errc::timed_out));
  EXPECT_NE(results[0].error().message().find("has not answered DescribeConfigs"),
            std::string_view::npos)
      << results[0].error().to_string();
}

TEST_F(AdminBesideAFrozenServer, SendsACreationOnceWhileTheServerMayAnswer) {
  script.on<wire::CreateTopicsRequest>([&](NodeId at, const wire::CreateTopicsRequest& request) {
    asked_.push_back(at);
    script.answer_after = 20s;
    return created(request);
  });
  const auto results = within<CreatedTopic>(21s, [](Cluster& cluster, auto then) {
    create_topics(cluster, {{.name = "a"}}, false, CallTime::from(cluster.now(), 60s),
                  std::move(then));
  });
  ASSERT_EQ(results.size(), 1U);
  EXPECT_TRUE(results[0]) << results[0].error().to_string();
  EXPECT_EQ(asked_, std::vector{one});
  EXPECT_TRUE(warnings.empty());
}

TEST_F(AdminBesideAFrozenServer, RepeatsACreationAtAnotherServerOnceTheClusterGaveUpTheFrozenOne) {
  script.on<wire::CreateTopicsRequest>(
      [&](NodeId at,
          const wire::CreateTopicsRequest& request) -> std::optional<wire::CreateTopicsResponse> {
        asked_.push_back(at);
        if (at == one) return std::nullopt;
        return created(request, asked_.size() == 2 ? code::topic_already_exists : 0);
      });
  start();
  give_up(one);
  const auto results = within<CreatedTopic>(12s, [](Cluster& cluster, auto then) {
    create_topics(cluster, {{.name = "a"}, {.name = "b"}}, false,
                  CallTime::from(cluster.now(), 60s), std::move(then));
  });
  ASSERT_EQ(results.size(), 2U);
  ASSERT_FALSE(results[0]);
  EXPECT_TRUE(results[0].error().is_broker(code::topic_already_exists));
  EXPECT_NE(results[0].error().message().find("may have done it"), std::string_view::npos);
  EXPECT_EQ(asked_, (std::vector{one, two}));
  ASSERT_EQ(
      std::ranges::count_if(
          warnings,
          [](const std::string& line) {
            return line.starts_with(
                "admin: create topic a and 1 more: asked for once more, since the answer to the "
                "first request is lost; both may be carried out (");
          }),
      1)
      << testing::PrintToString(warnings);
}

TEST_F(AdminBesideAFrozenServer, NeverRepeatsADeletionThatMayStillBeCarriedOut) {
  script.on<wire::DeleteTopicsRequest>(
      [&](NodeId at,
          const wire::DeleteTopicsRequest&) -> std::optional<wire::DeleteTopicsResponse> {
        asked_.push_back(at);
        return std::nullopt;
      });
  start();
  give_up(one);
  const auto results = within<void>(12s, [](Cluster& cluster, auto then) {
    delete_topics(cluster, {"a"}, CallTime::from(cluster.now(), 60s), std::move(then));
  });
  ASSERT_EQ(results.size(), 1U);
  ASSERT_FALSE(results[0]);
  EXPECT_NE(results[0].error().message().find("may still delete it"), std::string_view::npos)
      << results[0].error().to_string();
  EXPECT_EQ(asked_, std::vector{one});
}

TEST_F(AdminBesideAFrozenServer, AsksAGroupsNextCoordinatorOnceItIsNamed) {
  NodeId coordinator = one;
  script.on<wire::FindCoordinatorRequest>([&](NodeId, const wire::FindCoordinatorRequest& request) {
    wire::FindCoordinatorResponse answer;
    for (const auto& key : request.coordinator_keys) {
      auto& found = answer.coordinators.emplace_back();
      found.key = key;
      found.node_id = coordinator;
    }
    return answer;
  });
  script.on<wire::DescribeGroupsRequest>([&](NodeId at, const wire::DescribeGroupsRequest& request)
                                             -> std::optional<wire::DescribeGroupsResponse> {
    asked_.push_back(at);
    if (at == one) return std::nullopt;
    wire::DescribeGroupsResponse answer;
    answer.groups.emplace_back().group_id = request.groups.at(0);
    answer.groups.back().group_state = "Empty";
    return answer;
  });
  start();
  world.after(9s, [&] { coordinator = two; });
  const auto results = within<GroupDescription>(12s, [](Cluster& cluster, auto then) {
    describe_groups(cluster, {"g"}, CallTime::from(cluster.now(), 60s), std::move(then));
  });
  ASSERT_EQ(results.size(), 1U);
  ASSERT_TRUE(results[0]) << results[0].error().to_string();
  EXPECT_EQ(results[0]->coordinator, two);
  EXPECT_EQ(asked_, (std::vector{one, two})) << "the frozen one is not asked again and again";
}

TEST_F(AdminBesideAFrozenServer, FindsOffsetsAtTheNextLeader) {
  script.on<wire::ListOffsetsRequest>(
      [&](NodeId at,
          const wire::ListOffsetsRequest& request) -> std::optional<wire::ListOffsetsResponse> {
        asked_.push_back(at);
        if (at == one) return std::nullopt;
        wire::ListOffsetsResponse answer;
        auto& told = answer.topics.emplace_back();
        told.name = request.topics.at(0).name;
        told.partitions.emplace_back().partition_index = PartitionId{0};
        told.partitions.back().offset = Offset{7};
        return answer;
      });
  start();
  world.after(9s, [&] { script.move_leader(0, two); });
  const auto results = within<OffsetAnswer::Found>(12s, [](Cluster& cluster, auto then) {
    list_offsets(cluster, {{{"orders", PartitionId{0}}, OffsetSpec::latest()}},
                 CallTime::from(cluster.now(), 60s), std::move(then));
  });
  ASSERT_EQ(results.size(), 1U);
  ASSERT_TRUE(results[0]) << results[0].error().to_string();
  EXPECT_EQ(results[0]->offset, Offset{7});
  EXPECT_EQ(asked_, (std::vector{one, two}));
}

TEST_F(AdminBesideAFrozenServer, ListsTheGroupsAgainOnceTheClusterGaveItUp) {
  script.on<wire::ListGroupsRequest>(
      [&](NodeId at, const wire::ListGroupsRequest&) -> std::optional<wire::ListGroupsResponse> {
        asked_.push_back(at);
        if (at == two) return std::nullopt;
        wire::ListGroupsResponse answer;
        answer.groups.push_back({"g", "consumer", "Stable", "classic"});
        return answer;
      });
  start();
  give_up(two);
  const TimePoint began = world.now();
  const auto listed = run<std::vector<GroupListing>>(
      [](Cluster& cluster, auto then) {
        list_groups(cluster, CallTime::from(cluster.now(), 60s), std::move(then));
      },
      2min);
  EXPECT_LE((world.now() - began) / 1ms, 12'000);
  ASSERT_TRUE(listed);
  ASSERT_TRUE(*listed) << listed->error().to_string();
  EXPECT_EQ((*listed)->size(), 1U);
  EXPECT_EQ(std::ranges::count(asked_, one), 2) << "it has the other one's groups now";
  EXPECT_EQ(std::ranges::count(asked_, two), 1);
}

TEST_F(AdminOnCluster, FailsOnlyTheCallWithAnAnswerAboveMaxResponseBytes) {
  engine_options.link.limits.max_frame_bytes = 4'096;
  int asked = 0;
  script.on<wire::ListGroupsRequest>([&](NodeId, const wire::ListGroupsRequest&) {
    script.answer_after = 1s;
    wire::ListGroupsResponse answer;
    answer.groups.emplace_back().group_id.assign(5'000, 'g');
    return answer;
  });
  script.on<wire::DescribeConfigsRequest>([&](NodeId, const wire::DescribeConfigsRequest&) {
    ++asked;
    wire::DescribeConfigsResponse answer;
    auto& result = answer.results.emplace_back();
    result.resource_name = "orders";
    result.resource_type = static_cast<std::int8_t>(ConfigResourceType::topic);
    return answer;
  });
  script.brokers = {one};
  start();
  std::optional<Result<std::vector<GroupListing>>> listed;
  on_loop([&, this] {
    list_groups(client->cluster(), CallTime::from(client->cluster().now(), 10s),
                [&](auto done) { listed.emplace(std::move(done)); });
  });
  world.run_for(500ms);
  const auto beside = items<std::vector<ConfigEntry>>([](Cluster& cluster, auto then) {
    describe_configs(cluster, {{ConfigResourceType::topic, "orders"}},
                     CallTime::from(cluster.now(), 10s), std::move(then));
  });
  EXPECT_TRUE(beside.at(0)) << beside.at(0).error().to_string();
  ASSERT_TRUE(listed);
  ASSERT_FALSE(*listed);
  EXPECT_TRUE(listed->error().is(Errc::too_large));
  EXPECT_NE(listed->error().message().find("the answer to ListGroups is above max_response_bytes"),
            std::string_view::npos)
      << listed->error().message();
}

TEST_F(AdminOnCluster, AsksEachServerForItsOwnConfiguration) {
  std::map<std::string, NodeId> asked;
  script.on<wire::DescribeConfigsRequest>(
      [&](NodeId at, const wire::DescribeConfigsRequest& request) {
        wire::DescribeConfigsResponse answer;
        for (const auto& resource : request.resources) {
          asked[resource.resource_name] = at;
          auto& result = answer.results.emplace_back();
          result.resource_name = resource.resource_name;
          result.resource_type = resource.resource_type;
          result.configs.emplace_back().name = "log.dirs";
        }
        return answer;
      });
  const auto configs = items<std::vector<ConfigEntry>>([&](Cluster& cluster, auto then) {
    describe_configs(cluster,
                     {{ConfigResourceType::broker, "2"},
                      {ConfigResourceType::broker, "1"},
                      {ConfigResourceType::broker, "one"}},
                     CallTime::from(cluster.now(), 10s), std::move(then));
  });
  ASSERT_EQ(configs.size(), 3U);
  EXPECT_TRUE(configs[0] && configs[1]);
  EXPECT_TRUE(configs[2].error().is(Errc::invalid_argument));
  EXPECT_EQ(asked, (std::map<std::string, NodeId>{{"1", one}, {"2", two}}));
}

TEST_F(AdminOnCluster, RefusesANegativeTime) {
  const auto results = items<OffsetAnswer::Found>([&](Cluster& cluster, auto then) {
    list_offsets(cluster, {{{"orders", PartitionId{0}}, OffsetSpec::at(Timestamp{-2})}},
                 CallTime::from(cluster.now(), 10s), std::move(then));
  });
  EXPECT_TRUE(results.at(0).error().is(Errc::invalid_argument));
}

/// All requests of Admin are answered with the same error code.
class AdminRefused : public AdminOnCluster {
 protected:
  explicit AdminRefused(std::int16_t error = 0) : error_(error) {
    script.on<wire::CreateTopicsRequest>(
        [this](NodeId, const auto& request) { return created(request, error_); });
    script.on<wire::CreatePartitionsRequest>([this](NodeId, const auto& request) {
      wire::CreatePartitionsResponse answer;
      for (const auto& topic : request.topics) {
        answer.results.emplace_back().name = topic.name;
        answer.results.back().error_code = error_;
      }
      return answer;
    });
    script.on<wire::DeleteTopicsRequest>([this](NodeId, const auto& request) {
      wire::DeleteTopicsResponse answer;
      for (const auto& topic : request.topics) {
        answer.responses.emplace_back().name = topic.name;
        answer.responses.back().error_code = error_;
      }
      return answer;
    });
    script.on<wire::MetadataRequest>([this](NodeId, const auto&) {
      wire::MetadataResponse answer;
      answer.brokers.push_back({one, "broker-1", 9092, {}});
      answer.controller_id = one;
      answer.error_code = refuses_metadata_ ? error_ : std::int16_t{0};
      auto& topic = answer.topics.emplace_back();
      topic.name = "orders";
      topic.error_code = refuses_topics_ ? error_ : std::int16_t{0};
      auto& partition = topic.partitions.emplace_back();
      partition.partition_index = PartitionId{0};
      partition.leader_id = one;
      return answer;
    });
    script.on<wire::DescribeConfigsRequest>([this](NodeId, const auto&) {
      wire::DescribeConfigsResponse answer;
      answer.results.emplace_back().resource_name = "orders";
      answer.results.back().error_code = error_;
      return answer;
    });
    script.on<wire::ListGroupsRequest>([this](NodeId, const auto&) {
      wire::ListGroupsResponse answer;
      answer.error_code = error_;
      return answer;
    });
    script_coordinators();
    script.on<wire::DescribeGroupsRequest>([this](NodeId, const auto&) {
      wire::DescribeGroupsResponse answer;
      answer.groups.emplace_back().group_id = "g1";
      answer.groups.back().error_code = error_;
      return answer;
    });
    script.on<wire::DeleteGroupsRequest>([this](NodeId, const auto&) {
      wire::DeleteGroupsResponse answer;
      answer.results.emplace_back().group_id = "g1";
      answer.results.back().error_code = error_;
      return answer;
    });
    script.on<wire::OffsetFetchRequest>([this](NodeId, const auto&) {
      wire::OffsetFetchResponse answer;
      answer.groups.emplace_back().group_id = "g1";
      answer.groups.back().error_code = error_;
      return answer;
    });
    script.on<wire::ListOffsetsRequest>([this](NodeId, const auto&) {
      wire::ListOffsetsResponse answer;
      answer.topics.emplace_back().name = "orders";
      answer.topics.back().partitions.emplace_back().error_code = error_;
      answer.topics.back().partitions.back().partition_index = PartitionId{0};
      return answer;
    });
    for (auto& [api, handler] : script.handlers) {
      handler.answer = [this, says = std::move(handler.answer)](NodeId at, const auto& header,
                                                                const Slice& body) {
        ++asked_;
        return says(at, header, body);
      };
    }
  }
  void TestBody() override {}
  /// The requests of all calls together, each call within its timeout of a minute.
  int ask_all() {
    const auto minute = [this] { return CallTime::from(world.now(), 1min); };
    const auto all = [&](auto outcome) { EXPECT_TRUE(outcome) << "a call without an end"; };
    all(run<std::vector<Result<CreatedTopic>>>(
        [&](Cluster& c, auto then) {
          create_topics(c, {{.name = "orders"}}, false, minute(), std::move(then));
        },
        61s));
    all(run<std::vector<Result<void>>>(
        [&](Cluster& c, auto then) {
          create_partitions(c, {{"orders", 2}}, false, minute(), std::move(then));
        },
        61s));
    all(run<std::vector<Result<void>>>(
        [&](Cluster& c, auto then) { delete_topics(c, {"orders"}, minute(), std::move(then)); },
        61s));
    all(run<std::vector<Result<TopicDescription>>>(
        [&](Cluster& c, auto then) { describe_topics(c, {"orders"}, minute(), std::move(then)); },
        61s));
    all(run<std::vector<TopicListing>>(
        [&](Cluster& c, auto then) { list_topics(c, minute(), std::move(then)); }, 61s));
    all(run<std::vector<Result<std::vector<ConfigEntry>>>>(
        [&](Cluster& c, auto then) {
          describe_configs(c, {{ConfigResourceType::topic, "orders"}}, minute(), std::move(then));
        },
        61s));
    all(run<ClusterDescription>(
        [&](Cluster& c, auto then) { describe_cluster(c, minute(), std::move(then)); }, 61s));
    all(run<std::vector<GroupListing>>(
        [&](Cluster& c, auto then) { list_groups(c, minute(), std::move(then)); }, 61s));
    all(run<std::vector<Result<GroupDescription>>>(
        [&](Cluster& c, auto then) { describe_groups(c, {"g1"}, minute(), std::move(then)); },
        61s));
    all(run<std::vector<Result<void>>>(
        [&](Cluster& c, auto then) { delete_groups(c, {"g1"}, minute(), std::move(then)); }, 61s));
    all(run<std::vector<Result<std::vector<GroupOffset>>>>(
        [&](Cluster& c, auto then) { group_offsets(c, "g1", minute(), std::move(then)); }, 61s));
    all(run<std::vector<Result<OffsetAnswer::Found>>>(
        [&](Cluster& c, auto then) {
          list_offsets(c, {{{"orders", PartitionId{0}}, OffsetSpec::earliest()}}, minute(),
                       std::move(then));
        },
        61s));
    return asked_;
  }

  const std::int16_t error_;
  bool refuses_metadata_ = false;
  bool refuses_topics_ = false;
  int asked_ = 0;
};

TEST(Admin, BacksOffInEachCallForAnyCodeThatIsAnsweredForEver) {
  struct Asking : AdminRefused {
    explicit Asking(std::int16_t code) : AdminRefused(code) {}
    using AdminRefused::ask_all;
    using AdminRefused::refuses_metadata_;
    using AdminRefused::refuses_topics_;
  };
  constexpr int calls = 11;
  // Each call makes about one request a second, plus those that it needs before and metadata.
  constexpr int most = calls * 200;
  for (std::int16_t code = -1; code <= 200; ++code) {
    if (code == 0 || (find_broker_error(code) == nullptr && code != 200)) continue;
    for (const int where : {0, 1, 2}) {
      Asking admin(code);
      admin.refuses_metadata_ = where == 1;
      admin.refuses_topics_ = where == 2;
      const int asked = admin.ask_all();
      EXPECT_GE(asked, calls) << code;
      EXPECT_LE(asked, most) << code << ", " << where;
    }
  }
}

}  // namespace
}  // namespace dohle::client
