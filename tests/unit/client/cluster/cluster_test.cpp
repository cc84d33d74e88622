// Errors and log lines of the client's connections about unreachable servers, servers that do not
// answer, and missing topics.
#include <gmock/gmock.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "base/broker_errors.hpp"
#include "client/admin/admin_call.hpp"
#include "scripted_cluster.hpp"
#include "wire/big_endian.hpp"
#include "wire/messages/describe_configs.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;

class ClientOnCluster : public testing::Test, public ScriptedWorld {
 protected:
  void start() {
    ScriptedWorld::start([](std::shared_ptr<SimulatedClient> made, sim::Process&) { return made; });
  }
  /// The error after that time without an answer of any server.
  std::string connect(Duration time, Errc code = Errc::timed_out) {
    std::optional<Result<void>> outcome;
    on_loop([&] {
      client->cluster().when_connected(world.now() + time,
                                       [&](Result<void> done) { outcome = std::move(done); });
    });
    world.run_until([&] { return outcome.has_value(); }, time);
    if (!outcome || *outcome) return "it was reached";
    EXPECT_TRUE(outcome->error().is(code)) << outcome->error().to_string();
    return std::string(outcome->error().message());
  }
  /// The outcome within `time` of a wait for the topic of at most `max_wait`; absent while it
  /// waits.
  std::optional<Result<void>> look_for(std::string_view topic, bool may_create, Duration max_wait,
                                       Duration time) {
    const auto outcome = std::make_shared<std::optional<Result<void>>>();
    on_loop([&] {
      client->cluster().when_topic(topic, may_create, world.now() + max_wait,
                                   [outcome](Result<void> done) { *outcome = std::move(done); });
    });
    world.run_for(time);
    return *outcome;
  }
  template <class M>
  void never_answer() {
    script.on<M>([](NodeId, const M&) { return std::nullopt; });
  }
  /// Answers with the first server only, and with topic_error for each requested topic.
  void answer_metadata() {
    script.on<wire::MetadataRequest>([this](NodeId, const wire::MetadataRequest& asked) {
      wire::MetadataResponse answer;
      answer.brokers.push_back({NodeId{1}, "broker-1", 9092, {}});
      if (!asked.topics) return answer;
      for (const auto& each : *asked.topics) {
        auto& topic = answer.topics.emplace_back();
        topic.name = each.name;
        topic.error_code = topic_error;
        if (topic_error != broker_error::none) continue;
        topic.topic_id = TopicId{{1}};
        auto& partition = topic.partitions.emplace_back();
        partition.partition_index = PartitionId{0};
        partition.leader_id = NodeId{1};
      }
      return answer;
    });
  }
  std::int16_t topic_error = broker_error::none;
};

TEST_F(ClientOnCluster, NamesTheServerThatAcceptsAndNeverAnswers) {
  never_answer<wire::ApiVersionsRequest>();
  start();
  EXPECT_EQ(connect(5s),
            "no server answered in time: broker-1:9092 has not answered ApiVersions; the port may "
            "expect TLS");
  EXPECT_EQ(
      connect(12s),
      "no server answered in time: broker-1:9092: connect_timeout passed without an answer to "
      "ApiVersions; the port may expect TLS");
}

TEST_F(ClientOnCluster, EndsAWaitWhoseCallerKeepsItsDeadline) {
  never_answer<wire::MetadataRequest>();
  start();
  std::optional<Result<void>> outcome;
  Cluster::WaitId wait = 0;
  on_loop([&] {
    wait = client->cluster().when_connected(never,
                                            [&](Result<void> done) { outcome = std::move(done); });
  });
  world.run_for(1min);
  EXPECT_FALSE(outcome);
  for (int i = 0; i < 2; ++i) on_loop([&] { client->cluster().expire_wait(wait); });
  ASSERT_TRUE(outcome && !*outcome);
  EXPECT_TRUE(outcome->error().is(Errc::timed_out)) << outcome->error().to_string();
  EXPECT_THAT(outcome->error().to_string(), testing::HasSubstr("broker-1:9092"));
}

TEST_F(ClientOnCluster, NotifiesNoObserverThatWasForgottenMeanwhile) {
  start();
  Cluster& cluster = client->cluster();
  std::vector<int> told;
  std::vector<Cluster::ObserverId> ids;
  on_loop([&] {
    ids.push_back(cluster.observe([&] {
      told.push_back(0);
      cluster.forget(ids[1]);
      cluster.forget(ids[0]);
    }));
    ids.push_back(cluster.observe([&] { told.push_back(1); }));
    ids.push_back(cluster.observe([&] { told.push_back(2); }));
  });
  EXPECT_EQ(connect(5s), "it was reached");
  on_loop([&] { cluster.forget(ids[2]); });
  ASSERT_GE(told.size(), 2u);
  EXPECT_EQ(told.front(), 0);
  EXPECT_EQ(std::ranges::count(told, 2), std::ssize(told) - 1);
}

TEST_F(ClientOnCluster, DoesNotBlameTlsForASilenceAfterAnAnswer) {
  answer_metadata();
  start();
  EXPECT_EQ(connect(5s), "it was reached");
  never_answer<wire::ApiVersionsRequest>();
  world.network().reset("client", "broker-1");
  const auto found = look_for("orders", false, 14s, 15s);
  ASSERT_TRUE(found && !found->has_value());
  EXPECT_THAT(found->error().to_string(),
              testing::HasSubstr("connect_timeout passed without an answer to ApiVersions"));
  EXPECT_THAT(found->error().to_string(), testing::Not(testing::HasSubstr("TLS")));
}

TEST_F(ClientOnCluster, NamesTheServerThatStopsAnswering) {
  never_answer<wire::MetadataRequest>();
  start();
  EXPECT_EQ(connect(5s), "no server answered in time: broker-1:9092 has not answered Metadata");
}

TEST_F(ClientOnCluster, BytesBehindTheLastFieldOfAnAnswerAreIgnored) {
  answer_metadata();
  auto& handler = script.handlers.at(wire::MetadataRequest::api.key);
  handler.answer = [inner = handler.answer](NodeId at, const wire::RequestHeader& header,
                                            const Slice& body) -> std::optional<Chain> {
    std::string frame(inner(at, header, body)->flatten()->text());
    frame.append("\x01\x00\x00", 3);
    wire::store_big_endian(reinterpret_cast<std::byte*>(frame.data()),
                           static_cast<std::int32_t>(frame.size() - 4));
    return Chain(Slice::copy_of(frame));
  };
  log_level = LogLevel::info;
  start();
  const auto outcome = look_for("orders", false, 5s, 6s);
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->has_value()) << outcome->error().to_string();
  // It is logged once, not for every connection.
  for (int i = 0; i < 3; ++i) {
    world.network().reset("client", "broker-1");
    world.run_for(5s);
    on_loop([this] { client->cluster().doubt(); });
    world.run_for(1s);
  }
  EXPECT_EQ(std::ranges::count_if(warnings,
                                  [](const std::string& line) {
                                    return line.find("bytes after the last field") != line.npos;
                                  }),
            1);
  EXPECT_GE(std::ranges::count_if(
                warnings, [](const std::string& line) { return line.find("reset") != line.npos; }),
            2)
      << testing::PrintToString(warnings);
}

TEST_F(ClientOnCluster, NamesAnAddressWithoutAListenerOnce) {
  start();
  world.machine("broker-1").process("broker-1")->kill();
  world.machine("broker-2").process("broker-2")->kill();
  const auto outcome = look_for("missing", false, 5s, 6s);
  ASSERT_TRUE(outcome);
  const std::string text(outcome->error().message());
  EXPECT_TRUE(text.starts_with("no metadata of topic missing in time: ")) << text;
  const auto first = text.find("broker-1:9092");
  EXPECT_NE(first, std::string::npos) << text;
  EXPECT_NE(text.find("connecting to broker-1:9092: "), std::string::npos) << text;
  EXPECT_EQ(text.find("broker-1:9092: connecting to broker-1:9092"), std::string::npos) << text;
}

TEST_F(ClientOnCluster, GivesUpAtOnceIfTheHostOfNoServerExists) {
  engine_options.fail_on_unknown_hosts = true;
  engine_options.bootstrap = {{"broker-7", 9092}, {"broker-8", 9092}};
  start();
  const TimePoint asked = world.now();
  const std::string text = connect(10s, Errc::name_not_resolved);
  EXPECT_LT(world.now() - asked, 1s);
  EXPECT_TRUE(text.starts_with("no server can be reached: connecting to broker-")) << text;
  EXPECT_NE(text.find("broker-7:9092: no machine is called broker-7"), std::string::npos) << text;
  EXPECT_NE(text.find("broker-8:9092: no machine is called broker-8"), std::string::npos) << text;
}

TEST_F(ClientOnCluster, ContinuesWhileTheHostOfOneServerExists) {
  engine_options.fail_on_unknown_hosts = true;
  engine_options.bootstrap = {{"broker-7", 9092}, {"broker-1", 9092}};
  start();
  world.machine("broker-1").process("broker-1")->kill();
  const std::string text = connect(10s);
  EXPECT_NE(text.find("connecting to broker-1:9092: refused"), std::string::npos) << text;
}

TEST_F(ClientOnCluster, KeepsResolvingNamesByDefault) {
  engine_options.bootstrap = {{"broker-7", 9092}};
  start();
  std::optional<Result<wire::ApiVersionsResponse>> answer;
  on_loop([&] {
    client->cluster().ask_any<wire::ApiVersionsRequest>(
        {}, [&](Result<wire::ApiVersionsResponse> heard) { answer = std::move(heard); });
  });
  EXPECT_EQ(connect(10s),
            "no server answered in time: connecting to broker-7:9092: no machine is called "
            "broker-7");
  ASSERT_TRUE(answer && !*answer);
  EXPECT_TRUE(answer->error().is(Errc::name_not_resolved));
  EXPECT_TRUE(answer->error().is_retriable()) << "requests are not given up for it";
}

TEST_F(ClientOnCluster, DetectsAMissingTopicEachTimeWithin2sAndThenForgetsIt) {
  std::size_t asked = 0;
  script.on<wire::MetadataRequest>([&](NodeId, const wire::MetadataRequest& request) {
    ++asked;
    wire::MetadataResponse answer;
    answer.brokers.push_back({NodeId{1}, "broker-1", 9092, {}});
    for (const auto& each : *request.topics) {
      auto& topic = answer.topics.emplace_back();
      topic.name = each.name;
      topic.error_code = broker_error::unknown_topic_or_partition;
    }
    return answer;
  });
  start();
  ASSERT_EQ(connect(5s), "it was reached");
  for (int i = 0; i < 3; ++i) {
    asked = 0;
    const auto outcome = look_for("missing", false, 1min, 2s);
    ASSERT_TRUE(outcome && !*outcome);
    EXPECT_TRUE(outcome->error().is(Errc::no_such_topic)) << outcome->error().to_string();
    EXPECT_GE(asked, 5u) << "it may be in the making";
  }
  asked = 0;
  world.run_for(1min);
  EXPECT_LE(asked, 1u);
}

TEST_F(ClientOnCluster, AsksNoMoreForATopicThatWasReleasedWhileACallWaitedForIt) {
  answer_metadata();
  topic_error = broker_error::leader_not_available;
  start();
  ASSERT_EQ(connect(5s), "it was reached");
  std::optional<Result<void>> outcome;
  on_loop([&, this] {
    client->cluster().hold("orders");
    client->cluster().when_held_topic("orders", world.now() + 10s,
                                      [&](Result<void> found) { outcome = std::move(found); });
    client->cluster().release("orders");
  });
  world.run_for(1s);
  EXPECT_FALSE(outcome) << "it is still waited for";
  topic_error = broker_error::none;
  world.run_for(2s);
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(*outcome) << outcome->error().to_string();
  on_loop([&, this] { EXPECT_EQ(client->cluster().view().topic("orders"), nullptr); });
  world.run_for(1ms);
}

TEST_F(ClientOnCluster, TrustsTheOnlyServerOfAProcessAboutAMissingTopicAtOnce) {
  engine_options.max_unknown_answers = 1;
  script.on<wire::MetadataRequest>([](NodeId, const wire::MetadataRequest&) {
    wire::MetadataResponse answer;
    answer.brokers.push_back({NodeId{1}, "broker-1", 9092, {}});
    answer.topics.emplace_back().name = "missing";
    answer.topics.back().error_code = broker_error::unknown_topic_or_partition;
    return answer;
  });
  start();
  std::optional<Result<void>> outcome;
  on_loop([&, this] {
    client->cluster().when_topic("missing", false, world.now() + 10s,
                                 [&](Result<void> found) { outcome = std::move(found); });
  });
  world.run_for(10ms);
  ASSERT_TRUE(outcome && !*outcome);
  EXPECT_TRUE(outcome->error().is(Errc::no_such_topic)) << outcome->error().to_string();
}

TEST_F(ClientOnCluster, ReturnsTheServersErrorForATopicWithAnEmptyName) {
  answer_metadata();
  topic_error = broker_error::invalid_topic_exception;
  start();
  ASSERT_EQ(connect(5s), "it was reached");
  const auto outcome = look_for("", true, 5s, 1s);
  ASSERT_TRUE(outcome && !*outcome);
  EXPECT_TRUE(outcome->error().is_broker(topic_error)) << outcome->error().to_string();
}

TEST_F(ClientOnCluster, AsksAgainForATopicInViewThatWasRefusedBefore) {
  answer_metadata();
  topic_error = broker_error::topic_authorization_failed;
  start();
  on_loop([&] { client->cluster().need("orders", true); });
  world.run_for(10s);
  topic_error = broker_error::none;
  const auto outcome = look_for("orders", true, 5s, 1s);
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(*outcome) << outcome->error().to_string();
}

TEST_F(ClientOnCluster, NamesTheLastErrorOfATopicThatStaysMissing) {
  answer_metadata();
  topic_error = broker_error::leader_not_available;
  start();
  ASSERT_EQ(connect(5s), "it was reached");
  const auto outcome = look_for("orders", true, 5s, 6s);
  ASSERT_TRUE(outcome && !*outcome);
  EXPECT_TRUE(outcome->error().is(Errc::timed_out));
  EXPECT_EQ(outcome->error().message(),
            "no metadata of topic orders in time; last: " + Error::broker(topic_error).to_string());
}

TEST_F(ClientOnCluster, DoubtsAServerOnceItsAnswerIsOverdue) {
  never_answer<wire::DescribeConfigsRequest>();
  start();
  ASSERT_EQ(connect(5s), "it was reached");
  const auto owes_after = [this](ConnectionLane lane) {
    Cluster& cluster = client->cluster();
    on_loop([&] {
      cluster.ask<wire::DescribeConfigsRequest>(NodeId{1}, lane, {}, [](auto) {}, 10min);
    });
    const TimePoint began = world.now();
    world.run_until([&] { return cluster.owes_answer(NodeId{1}); }, 1min);
    const bool owes = cluster.owes_answer(NodeId{1});
    EXPECT_EQ(cluster.is_in_doubt(NodeId{1}), owes);
    on_loop([&] { cluster.close_lane(lane, Error::client(Errc::closed, "enough")); });
    EXPECT_FALSE(cluster.owes_answer(NodeId{1}));
    return owes ? std::chrono::round<std::chrono::seconds>(world.now() - began) : 0s;
  };
  EXPECT_EQ(owes_after(client->cluster().new_lane()), 5s);
  EXPECT_EQ(owes_after(client->cluster().new_lane(20s)), 25s);
  EXPECT_EQ(owes_after(client->cluster().new_lane(Cluster::for_ever)), 0s);
  EXPECT_EQ(owes_after(ConnectionLane::produce), 5s);
}

TEST_F(ClientOnCluster, RequestsMetadataFromOthersWhileAServerHasNotAnswered) {
  std::vector<NodeId> asked;
  script.on_metadata_asked = [&](NodeId at) { asked.push_back(at); };
  never_answer<wire::DescribeConfigsRequest>();
  start();
  ASSERT_EQ(connect(5s), "it was reached");
  on_loop([this] { client->cluster().need("orders", false); });
  world.run_for(2s);
  asked.clear();
  on_loop([this] {
    client->cluster().ask<wire::DescribeConfigsRequest>(
        NodeId{1}, ConnectionLane::produce, {}, [](auto) {}, 10min);
    // This request is checked first; a later request may be due before it.
    client->cluster().ask<wire::DescribeConfigsRequest>(
        NodeId{2}, client->cluster().new_lane(10min), {}, [](auto) {}, 20min);
  });
  world.run_for(4s);
  EXPECT_TRUE(asked.empty());
  world.run_for(10s);
  EXPECT_GE(asked.size(), 5U);
  EXPECT_EQ(std::ranges::count(asked, NodeId{1}), 0) << "it is asked last";
}

TEST_F(ClientOnCluster, LogsOnceAMinuteThatAServerIsUnreachable) {
  start();
  ASSERT_EQ(connect(5s), "it was reached");
  EXPECT_TRUE(warnings.empty());
  world.machine("broker-1").process("broker-1")->kill();
  world.machine("broker-2").process("broker-2")->kill();
  on_loop([&] { client->cluster().need("orders", true); });
  world.run_for(50s);
  const auto of_first = [&] {
    return std::ranges::count_if(warnings, [](const std::string& line) {
      return line.starts_with("connection: connecting to broker-1:9092: ");
    });
  };
  EXPECT_EQ(of_first(), 1);
  EXPECT_TRUE(warnings[0].ends_with("; retrying (1 attempts so far)")) << warnings[0];
  world.run_for(1min);
  EXPECT_EQ(of_first(), 2);
}

TEST_F(ClientOnCluster, LogsOnceThatATopicIsGone) {
  answer_metadata();
  start();
  on_loop([&] { client->cluster().need("orders", true); });
  world.run_for(5s);
  EXPECT_TRUE(warnings.empty());
  topic_error = broker_error::unknown_topic_or_partition;
  on_loop([&] { client->cluster().doubt(); });
  world.run_for(1min);
  EXPECT_THAT(warnings, testing::ElementsAre(
                            "client: the server no longer has topic orders; waiting for it"));
}

TEST_F(ClientOnCluster, LogsNoLineAboutATopicThatNeverExisted) {
  answer_metadata();
  topic_error = broker_error::unknown_topic_or_partition;
  start();
  on_loop([&] { client->cluster().need("orders", true); });
  world.run_for(1min);
  EXPECT_TRUE(warnings.empty());
}

}  // namespace
}  // namespace dohle::client
