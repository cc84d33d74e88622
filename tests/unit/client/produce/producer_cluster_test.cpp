// The producer against a scripted cluster, over the simulated network.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>

#include "base/broker_errors.hpp"
#include "base/topic_name.hpp"
#include "client/cluster/handle_access.hpp"
#include "client/produce/record_sender.hpp"
#include "scripted_cluster.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;

class ProducerOnCluster : public testing::Test, public ScriptedWorld {
 protected:
  void start(ProducerOptions options = {}, UntakenHandler on_untaken = nullptr) {
    ScriptedWorld::start(
        [this, options, on_untaken](std::shared_ptr<SimulatedClient> made, sim::Process& self) {
          producer_ =
              std::make_shared<client::RecordSender>(std::move(made), options, nullptr, on_untaken);
          producer_->start();
          producer_->find_topic(
              "orders", self.clock().mono() + 60s,
              [this](Result<std::shared_ptr<client::IntakeTopic>> found) { topic_ = *found; });
          return producer_;
        });
    ASSERT_TRUE(topic_);
  }
  /// Where a server may be frozen.
  void start_slowly() {
    ScriptedWorld::start([this](std::shared_ptr<SimulatedClient> made, sim::Process& self) {
      producer_ = std::make_shared<client::RecordSender>(std::move(made), ProducerOptions{});
      producer_->start();
      producer_->find_topic(
          "orders", self.clock().mono() + 60s,
          [this](Result<std::shared_ptr<client::IntakeTopic>> found) { topic_ = *found; });
      return producer_;
    });
    world.run_until([this] { return topic_ != nullptr; }, 1min);
    ASSERT_TRUE(topic_);
  }
  ~ProducerOnCluster() override {
    if (producer_) producer_->close(CallTime::from(world.now(), 0s), [](Result<FlushReport>) {});
    world.run_for(1s);
  }

  /// Appends one record and stores its outcome in `told_`.
  void send(std::size_t partition, std::string_view value = "value") {
    send(partition, value,
         [this](Result<Receipt> receipt) { told_.push_back(std::move(receipt)); });
  }
  void send(std::size_t partition, std::string_view value, DeliveryCallback callback) {
    auto& to = *topic_->table().all.at(partition);
    const auto place = to.queue.append({.value = as_bytes(value)}, {.callback = &callback});
    ASSERT_EQ(place.appended, PartitionQueue::Appended::ok);
    if (place.wake) producer_->wake(to);
  }
  /// Appends a record without a callback.
  Delivery send_untold(std::size_t partition) {
    auto& to = *topic_->table().all.at(partition);
    const auto place = to.queue.append({.value = as_bytes("value")}, {.reference = true});
    EXPECT_EQ(place.appended, PartitionQueue::Appended::ok);
    if (place.wake) producer_->wake(to);
    return HandleAccess::make<Delivery>(place.outcome, place.index, place.timestamp_delta);
  }
  /// Makes servers answer requests with one batch in this way.
  using Told = wire::ProduceResponse::PartitionProduceResponse;
  void answer_by(std::function<void(const Slice& batch, Told& told, wire::ProduceResponse&)> by) {
    script.on<wire::ProduceRequest>([by](NodeId, const wire::ProduceRequest& asked) {
      const auto& sent = asked.topic_data.at(0).partition_data.at(0);
      wire::ProduceResponse answer;
      answer.responses.emplace_back().name = asked.topic_data.at(0).name;
      Told& told = answer.responses.back().partition_responses.emplace_back();
      told.index = sent.index;
      by(sent.records->flatten().value(), told, answer);
      return answer;
    });
  }
  std::size_t stored() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(told_, [](const Result<Receipt>& each) { return each.has_value(); }));
  }

  std::shared_ptr<client::RecordSender> producer_;
  std::shared_ptr<client::IntakeTopic> topic_;
  std::vector<Result<Receipt>> told_;
  bool asked_once_ = false;
  bool has_no_ids_ = false;
};

TEST_F(ProducerOnCluster, SendsEachPartitionToItsLeader) {
  start();
  send(0);
  send(1);
  world.run_for(1s);
  EXPECT_EQ(stored(), 2u);
  ASSERT_EQ(script.produced.size(), 2u);
  EXPECT_NE(script.produced[0].at, script.produced[1].at);
}

TEST_F(ProducerOnCluster, TakesItsIdFromAnotherServerThanTheFrozenOneThatWasAskedFirst) {
  std::vector<NodeId> asked;
  script.on<wire::InitProducerIdRequest>(
      [&](NodeId at,
          const wire::InitProducerIdRequest&) -> std::optional<wire::InitProducerIdResponse> {
        asked.push_back(at);
        if (at == asked.front()) return std::nullopt;
        wire::InitProducerIdResponse given;
        given.producer_id = ProducerId{7};
        given.producer_epoch = ProducerEpoch{0};
        return given;
      });
  engine_options.bootstrap.push_back({"broker-2", 9092});
  start_slowly();
  send(0);
  world.run_until([this] { return stored() == 1; }, 1min);
  EXPECT_EQ(stored(), 1u);
  EXPECT_LE(world.now().time_since_epoch() / 1ms, 9'000);
  EXPECT_EQ(asked.size(), 2u);
}

TEST_F(ProducerOnCluster, AcceptsTheLateIdOfTheOnlyServerAndAsksItOnce) {
  std::size_t asked = 0;
  script.brokers = {NodeId{1}};
  script.leaders = {{NodeId{1}, LeaderEpoch{0}}};
  script.on<wire::InitProducerIdRequest>([&](NodeId, const wire::InitProducerIdRequest&) {
    ++asked;
    script.answer_after = 12s;
    wire::InitProducerIdResponse given;
    given.producer_id = ProducerId{7};
    given.producer_epoch = ProducerEpoch{0};
    return given;
  });
  start_slowly();
  send(0);
  world.run_until([this] { return stored() == 1; }, 1min);
  EXPECT_EQ(stored(), 1u);
  EXPECT_EQ(asked, 1u);
}

TEST_F(ProducerOnCluster, PutsManyPartitionsIntoOneRequest) {
  script.leaders[1].node = NodeId{1};
  start();
  send(0);
  send(1);
  world.run_for(1s);
  EXPECT_EQ(stored(), 2u);
  ASSERT_EQ(script.produced.size(), 1u);
  EXPECT_EQ(script.produced[0].request.topic_data.at(0).partition_data.size(), 2u);
  EXPECT_EQ(script.produced[0].request.acks, -1);
}

TEST_F(ProducerOnCluster, AcceptsAnswersInAnyOrder) {
  script.leaders[1].node = NodeId{1};
  script.answers_backwards = true;
  start();
  send(0);
  send(1);
  world.run_for(1s);
  ASSERT_EQ(stored(), 2u);
  // The script numbers the records of a request in its order.
  for (const auto& told : told_) EXPECT_EQ(told->offset.value, told->partition.value);
}

// A controller needs time to fence a dead server; until then metadata names it.
TEST_F(ProducerOnCluster, LeavesADeadLeaderWithin2sOfItsFencing) {
  start();
  send(0);
  world.run_for(1s);
  ASSERT_EQ(stored(), 1u);
  world.machine("broker-1").process("broker-1")->kill();
  send(0, "to nobody yet");
  world.run_for(9s);
  EXPECT_EQ(stored(), 1u);
  script.move_leader(0, NodeId{2});
  world.run_until([&] { return stored() == 2; }, 2s);
  EXPECT_EQ(stored(), 2u);
}

TEST_F(ProducerOnCluster, AsksSeldomForMetadataWhileALeaderIsDead) {
  std::size_t asked = 0;
  start();
  send(0);
  world.run_for(1s);
  world.machine("broker-1").process("broker-1")->kill();
  script.on_metadata_asked = [&](NodeId at) {
    EXPECT_EQ(at, NodeId{2});
    ++asked;
  };
  send(0, "to nobody yet");
  world.run_for(60s);
  script.on_metadata_asked = [](NodeId) {};
  EXPECT_GE(asked, 55u);
  EXPECT_LE(asked, 90u);
}

TEST_F(ProducerOnCluster, StartsWhileALeaderIsDeadAndFollowsItsSuccessor) {
  engine_options.bootstrap = {{"broker-1", 9092}, {"broker-2", 9092}};
  script.leaders[0].node = NodeId{1};
  kill_before_start = NodeId{1};
  start();
  send(0);
  world.run_for(9s);
  EXPECT_EQ(stored(), 0u);
  script.move_leader(0, NodeId{2});
  world.run_until([&] { return stored() == 1; }, 2s);
  EXPECT_EQ(stored(), 1u);
}

// A frozen server keeps its connections, and its kernel accepts new ones.
TEST_F(ProducerOnCluster, AsksOthersForMetadataWhenTheLeaderIsFrozen) {
  start({.request_timeout = 5s});
  send(0);
  world.run_for(1s);
  ASSERT_EQ(stored(), 1u);
  world.machine("broker-1").process("broker-1")->pause(10min);
  send(0, "to nobody yet");
  world.run_for(4s);
  script.move_leader(0, NodeId{2});
  world.run_until([&] { return stored() == 2; }, 3s);
  EXPECT_EQ(stored(), 2u);
}

TEST_F(ProducerOnCluster, FollowsAPartitionToItsNewLeader) {
  start();
  script.move_leader(0, NodeId{2});
  send(0);
  world.run_for(5s);
  EXPECT_EQ(stored(), 1u);
  EXPECT_EQ(script.produced.front().at, NodeId{1});
  EXPECT_EQ(script.produced.back().at, NodeId{2});
}

TEST_F(ProducerOnCluster, RetriesABatchThatTheServerCouldNotStore) {
  script.produce_errors = {broker_error::not_enough_replicas, broker_error::request_timed_out};
  start();
  send(0);
  world.run_for(5s);
  EXPECT_EQ(stored(), 1u);
  EXPECT_EQ(script.produced.size(), 3u);
}

// As a server whose replicas do not follow: it waits for the time that the request names.
TEST_F(ProducerOnCluster, FailsWithTheServersTimeoutOnceAckTimeoutHasPassedOnEachAttempt) {
  std::vector<TimePoint> asked;
  script.on<wire::ProduceRequest>([&](NodeId, const wire::ProduceRequest& request) {
    asked.push_back(world.now());
    script.answer_after = std::chrono::milliseconds(request.timeout_ms);
    wire::ProduceResponse answer;
    answer.responses.emplace_back().name = request.topic_data.at(0).name;
    Told& told = answer.responses.back().partition_responses.emplace_back();
    told.index = request.topic_data.at(0).partition_data.at(0).index;
    told.error_code = broker_error::request_timed_out;
    return answer;
  });
  start({.request_timeout = 900ms, .ack_timeout = 400ms, .retries = 1});
  send(0);
  ASSERT_TRUE(world.run_until([&] { return told_.size() == 1; }, 10s));
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_GE(asked[1] - asked[0], 400ms);
  EXPECT_GE(world.now() - asked[1], 400ms);
  const Error& why = told_[0].error();
  EXPECT_TRUE(why.is_broker(broker_error::request_timed_out)) << why.to_string();
  EXPECT_TRUE(why.message().starts_with("produce to orders-0")) << why.message();
  EXPECT_TRUE(why.is_retriable());
  EXPECT_EQ(why.stored(), Stored::possibly);
}

TEST_F(ProducerOnCluster, ReportsErrorsThatAreNotRetriable) {
  script.produce_errors = {broker_error::topic_authorization_failed};
  start();
  send(0);
  world.run_for(5s);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_TRUE(told_[0].error().is_broker(broker_error::topic_authorization_failed));
  EXPECT_NE(told_[0].error().message().find("orders-0"), std::string_view::npos);
  EXPECT_EQ(script.produced.size(), 1u);
}

TEST_F(ProducerOnCluster, StartsANewEpochAtOnceTheFirstTimeAndAfterAWaitFromThenOn) {
  script.produce_errors = {broker_error::unknown_producer_id};
  start({.linger = 0us});
  send(0);
  world.run_for(20ms);
  EXPECT_EQ(stored(), 1u) << "one refusal is cured without a wait";
  EXPECT_TRUE(warnings.empty());
  const std::size_t before = script.produced.size();
  script.produce_errors.assign(10'000, broker_error::out_of_order_sequence_number);
  send(0);
  world.run_for(1min);
  const std::size_t asked = script.produced.size() - before;
  EXPECT_GE(asked, 55u);
  EXPECT_LE(asked, 75u);
  ASSERT_GE(warnings.size(), 2u);
  EXPECT_TRUE(warnings[0].starts_with(
      "producer: records for orders-0 are refused again, 2 times in a row so far: "))
      << warnings[0];
  EXPECT_NE(warnings[0].find("OUT_OF_ORDER_SEQUENCE_NUMBER"), std::string::npos) << warnings[0];
  script.produce_errors.clear();
  world.run_for(2s);
  EXPECT_EQ(stored(), 2u);
}

// The backoff is per partition, not per failed batch.
TEST_F(ProducerOnCluster, WaitsOnceForFiveBatchesThatFailedTogether) {
  start({.linger = 0us});
  send(0);
  world.run_for(1s);
  ASSERT_EQ(stored(), 1u);
  script.produce_errors.assign(5, broker_error::not_enough_replicas);
  for (int i = 0; i < 5; ++i) {
    send(0);
    world.run_for(10us);
  }
  EXPECT_EQ(script.produced.size(), 1u) << "they are under way";
  ASSERT_TRUE(world.run_until([this] { return script.produce_errors.empty(); }, 50ms));
  const TimePoint failed = world.now();
  ASSERT_TRUE(world.run_until([this] { return stored() == 6; }, 5s));
  EXPECT_LT(world.now() - failed, 400ms);
}

TEST_F(ProducerOnCluster, GivesUpAtTheDeliveryTimeout) {
  script.is_silent = true;
  start({.delivery_timeout = 40s, .request_timeout = 15s});
  send(0);
  world.run_for(39s);
  EXPECT_TRUE(told_.empty());
  world.run_for(4s);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_TRUE(told_[0].error().is(Errc::timed_out));
  EXPECT_EQ(told_[0].error().message(),
            "produce to orders-0: delivery_timeout passed; last: timed_out: broker-1:9092: "
            "request_timeout passed without an answer to Produce");
  EXPECT_EQ(told_[0].error().stored(), Stored::possibly);
}

TEST_F(ProducerOnCluster, SleepsUntilTheNextPossibleEvent) {
  script.is_silent = true;
  start({.delivery_timeout = 40s, .request_timeout = 30s});
  for (const std::size_t partition : {0u, 1u}) {
    send(partition);
    send(partition);
  }
  world.run_for(1s);
  ASSERT_EQ(script.produced.size(), 2u);
  const auto before = world.events();
  world.run_for(3s);
  EXPECT_EQ(world.events(), before) << "after 5 s the server is in doubt";
  world.run_for(35s);
  EXPECT_TRUE(told_.empty());
  world.run_for(1s + 10ms);
  EXPECT_EQ(told_.size(), 4u);
}

TEST_F(ProducerOnCluster, UpdatesItsTimeOnlyWhileRecordsArrive) {
  script.is_silent = true;
  start({.linger = 1min, .delivery_timeout = 2min});
  send(0);
  world.run_for(15s);
  const auto events_of = [&](int records) {
    const auto before = world.events();
    for (int i = 0; i < records; ++i) {
      send(0);
      world.run_for(4ms);
    }
    return world.events() - before;
  };
  EXPECT_EQ(events_of(1'000), 0u) << "the batch is open, so nobody is woken";
  // As a full batch does.
  producer_->wake(*topic_->table().all.at(0));
  EXPECT_GE(events_of(1'000), 750u);
  world.run_for(10ms);
  const auto before = world.events();
  world.run_for(5s);
  EXPECT_EQ(world.events(), before);
}

TEST_F(ProducerOnCluster, ReportsWhyARecordWasNotSentInTime) {
  start({.delivery_timeout = 40s});
  world.machine("broker-1").process("broker-1")->kill();
  send(0);
  world.run_for(45s);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_TRUE(told_[0].error().message().starts_with(
      "produce to orders-0: delivery_timeout passed before it was sent: connecting to "
      "broker-1:9092: "))
      << told_[0].error().message();
  EXPECT_EQ(told_[0].error().stored(), Stored::no);
}

TEST_F(ProducerOnCluster, LogsTheReasonForStalledRecordsAfterFiveSeconds) {
  answer_by([](const Slice&, Told& told, wire::ProduceResponse&) {
    told.error_code = broker_error::kafka_storage_error;
    told.error_message = "no space left on /data";
  });
  start({.delivery_timeout = 20s, .request_timeout = 5s});
  send(0);
  world.run_for(4s);
  EXPECT_TRUE(warnings.empty());
  world.run_for(2s);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_TRUE(
      warnings[0].starts_with("producer: records for orders-0 wait 5 s for their outcome: "
                              "last: KAFKA_STORAGE_ERROR (56): "))
      << warnings[0];
  EXPECT_NE(warnings[0].find("no space left on /data"), std::string::npos) << warnings[0];
  world.run_for(30s);
  EXPECT_EQ(warnings.size(), 1u) << "once a minute";
  ASSERT_EQ(told_.size(), 1u);
  const std::string at_the_end(told_[0].error().message());
  EXPECT_NE(at_the_end.find("no space left on /data"), std::string::npos) << at_the_end;
  EXPECT_NE(at_the_end.find("KAFKA_STORAGE_ERROR (56)"), std::string::npos) << at_the_end;
}

TEST_F(ProducerOnCluster, LogsTheServerThatStallsRecords) {
  script.is_silent = true;
  start({.linger = 3s, .delivery_timeout = 60s});
  send(0);
  world.run_for(7s);
  EXPECT_TRUE(warnings.empty()) << "linger is no stall";
  world.run_for(2s);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("broker-1:9092 has not answered Produce"), std::string::npos)
      << warnings[0];
}

TEST_F(ProducerOnCluster, ReportsMissingLeadersAndUnreadableMetadata) {
  start({.delivery_timeout = 60s});
  script.move_leader(0, NodeId{});
  on_loop([this] { client->cluster().doubt(); });
  world.run_for(1s);
  script.handlers.insert_or_assign(
      wire::ApiKey::metadata,
      ClusterScript::Handler{
          wire::MetadataRequest::api, [](NodeId, const wire::RequestHeader& header, const Slice&) {
            auto bytes = wire::encode_response(header.correlation_id, wire::MetadataResponse{},
                                               header.api_version)
                             .value();
            std::string text(bytes.flatten()->text());
            // The number of servers exceeds the bytes of the answer.
            text.at(13) = 126;
            return std::optional(Chain(Slice::copy_of(text)));
          }});
  send(0);
  world.run_for(7s);
  const auto line = std::ranges::find_if(
      warnings, [](const std::string& each) { return each.starts_with("producer: "); });
  ASSERT_NE(line, warnings.end());
  EXPECT_NE(line->find("it has no leader"), std::string::npos) << *line;
  EXPECT_NE(line->find("unreadable answer to Metadata"), std::string::npos) << *line;
}

TEST_F(ProducerOnCluster, SaysThatTheClusterAdvertisesAnUnreachableAddress) {
  start({.delivery_timeout = 10s, .request_timeout = 5s});
  script.brokers.push_back(NodeId{3});
  script.move_leader(0, NodeId{3});
  on_loop([this] { client->cluster().doubt(); });
  world.run_for(1s);
  send(0);
  world.run_for(15s);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_NE(told_[0].error().message().find("the cluster advertises this address"),
            std::string_view::npos)
      << told_[0].error().message();
  const auto line = std::ranges::find_if(warnings, [](const std::string& each) {
    return each.find("advertised.listeners") != std::string::npos;
  });
  EXPECT_NE(line, warnings.end());
}

TEST_F(ProducerOnCluster, LogsAtItsEndTheNumberOfUnloggedFailures) {
  script.produce_errors.assign(3, broker_error::topic_authorization_failed);
  start({.linger = 0us});
  world.run_for(1s - world.now().time_since_epoch() % 1s);
  for (int i = 0; i < 3; ++i) {
    (void)send_untold(0);
    world.run_for(100ms);
  }
  ASSERT_EQ(warnings.size(), 1u);
  producer_->close(CallTime::from(world.now(), 1s), [](Result<FlushReport>) {});
  world.run_for(100ms);
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_NE(warnings[1].find("was not read: 3"), std::string::npos) << warnings[1];
}

TEST_F(ProducerOnCluster, ReportsWhyThereIsNoProducerId) {
  script.brokers = {NodeId{1}};
  script.on<wire::InitProducerIdRequest>([](NodeId, const wire::InitProducerIdRequest&) {
    wire::InitProducerIdResponse refused;
    refused.error_code = broker_error::kafka_storage_error;
    return refused;
  });
  start({.delivery_timeout = 10s, .request_timeout = 5s});
  send(0);
  world.run_for(12s);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_TRUE(told_[0].error().is(Errc::timed_out));
  EXPECT_EQ(told_[0].error().stored(), Stored::no);
  EXPECT_EQ(
      told_[0].error().message(),
      "produce to orders-0: delivery_timeout passed before it was sent: there is no producer "
      "id; last: " +
          Error::broker(broker_error::kafka_storage_error, "ask broker-1:9092 for a producer id")
              .to_string());
}

TEST_F(ProducerOnCluster, ReportsWhetherARefusedRecordMayBeStored) {
  for (const auto& [code, stored] :
       {std::pair(broker_error::not_enough_replicas, Stored::no),
        // The answer of a leader that was replaced after the append is also inconclusive.
        std::pair(broker_error::not_leader_or_follower, Stored::possibly),
        // A code of a later Kafka that this version does not know.
        std::pair(std::int16_t{9'999}, Stored::possibly)}) {
    script.produce_errors.assign(100, code);
    if (!topic_) start({.delivery_timeout = 10s, .request_timeout = 5s});
    send(0);
    world.run_for(15s);
    ASSERT_FALSE(told_.empty());
    EXPECT_EQ(told_.back().error().stored(), stored) << code;
  }
}

// As after a firewall dropped the open connections: requests on them get no answer, and new
// connections work.
TEST_F(ProducerOnCluster, ReconnectsToTheServerWhenAllOpenConnectionsHang) {
  script.brokers = {NodeId{1}};
  script.leaders = {{NodeId{1}, LeaderEpoch{0}}};
  start({.delivery_timeout = 20s, .request_timeout = 5s});
  send(0);
  world.run_for(1s);
  ASSERT_EQ(stored(), 1u);
  ASSERT_EQ(world.network().hold_back("client", "broker-1"), 2u);
  send(0);
  world.run_for(7s);
  EXPECT_EQ(stored(), 2u);
}

TEST_F(ProducerOnCluster, ContinuesWhenTheServerComesBack) {
  start();
  sim::Machine& broker = world.machine("broker-1");
  broker.lose_power();
  send(0);
  world.run_for(10s);
  EXPECT_TRUE(told_.empty());
  broker.power_on();
  world.run_for(10s);
  EXPECT_EQ(stored(), 1u);
}

TEST_F(ProducerOnCluster, AsksForItsIdSoonAfterItsServerCameBack) {
  script.brokers = {NodeId{1}};
  script.leaders = {{NodeId{1}, LeaderEpoch{0}}};
  engine_options.max_reconnect_backoff = 100ms;
  engine_options.max_retry_backoff = 1min;
  script.on<wire::InitProducerIdRequest>([this](NodeId, const wire::InitProducerIdRequest&) {
    wire::InitProducerIdResponse given;
    given.producer_id = ProducerId{1};
    if (has_no_ids_) given.error_code = broker_error::kafka_storage_error;
    return given;
  });
  has_no_ids_ = true;
  start();
  send(0);
  sim::Process& broker = *world.machine("broker-1").process("broker-1");
  broker.kill();
  world.run_for(50s);
  has_no_ids_ = false;
  broker.restart();
  world.run_for(1s);
  EXPECT_EQ(stored(), 1u);
}

TEST_F(ProducerOnCluster, SendsTheAckTimeoutAndWaitsTheRequestTimeout) {
  start({.request_timeout = 7s, .ack_timeout = 4s});
  send(0);
  world.run_for(1s);
  ASSERT_EQ(script.produced.size(), 1u);
  EXPECT_EQ(script.produced.front().request.timeout_ms, 4'000);
  const TimePoint sent = world.now();
  send(0);
  bool is_again = false;
  script.on<wire::ProduceRequest>(
      [&](NodeId, const wire::ProduceRequest&) -> std::optional<wire::ProduceResponse> {
        is_again = std::exchange(asked_once_, true);
        return std::nullopt;
      });
  world.run_until([&] { return is_again; }, 1min);
  EXPECT_GE(world.now() - sent, 7s);
  EXPECT_LE(world.now() - sent, 9s);
}

TEST_F(ProducerOnCluster, FailsARecordOnceItsRetriesAreUsed) {
  start({.retries = 1});
  script.produce_errors = {19, 19, 19};
  send(0);
  world.run_for(5s);
  ASSERT_EQ(told_.size(), 1u);
  ASSERT_FALSE(told_.front());
  EXPECT_TRUE(told_.front().error().is_broker(broker_error::not_enough_replicas));
  EXPECT_EQ(script.produced.size(), 2u);
  EXPECT_LE(script.produce_errors.size(), 1u);
}

TEST_F(ProducerOnCluster, LingersForMoreRecords) {
  start({.linger = 50ms});
  send(0);
  world.run_for(30ms);
  EXPECT_TRUE(script.produced.empty());
  send(0);
  world.run_for(100ms);
  ASSERT_EQ(script.produced.size(), 1u);
  EXPECT_EQ(stored(), 2u);
}

TEST_F(ProducerOnCluster, AFullBufferMakesBatchesDueIfNoAnswerWillFreeSpace) {
  script.is_silent = true;
  start({.linger = 60s});
  const auto hurry = [this] {
    producer_->hurry_all();
    world.run_for(1s);
  };
  send(0);
  hurry();
  ASSERT_EQ(script.produced.size(), 1u);
  send(0);
  send(1);
  hurry();
  ASSERT_EQ(script.produced.size(), 2u);
  EXPECT_EQ(script.produced[1].at, NodeId{2});
}

TEST_F(ProducerOnCluster, FlushDoesNotWaitForLinger) {
  start({.linger = 30s, .delivery_timeout = 120s});
  send(0);
  std::optional<Result<FlushReport>> flushed;
  producer_->flush(world.now() + 10s, [&](Result<FlushReport> report) { flushed = report; });
  world.run_for(1s);
  ASSERT_TRUE(flushed && *flushed);
  EXPECT_EQ((*flushed)->failed, 0u);
  EXPECT_EQ(stored(), 1u);
}

TEST_F(ProducerOnCluster, FlushEndsWithTheErrorOfItsCallerAndTheNextOneHasItsReport) {
  script.is_silent = true;
  start({.delivery_timeout = 60s});
  send(0);
  std::optional<Result<FlushReport>> flushed;
  const auto note = [&](Result<FlushReport> report) { flushed = std::move(report); };
  const auto id = producer_->flush(never, note);
  world.run_for(1s);
  EXPECT_FALSE(flushed);
  producer_->end_flush(id, flush_ended(CallEnd::stopped));
  ASSERT_TRUE(flushed && !*flushed);
  EXPECT_TRUE(flushed->error().is(Errc::cancelled)) << flushed->error().to_string();
  world.run_for(90s);
  producer_->end_flush(id, flush_ended(CallEnd::late));
  flushed.reset();
  producer_->flush(world.now() + 1s, note);
  ASSERT_TRUE(flushed && *flushed);
  EXPECT_EQ((*flushed)->failed, 1u);
}

// The third batch is settled while the second, which the flush covers, has to be sent again.
TEST_F(ProducerOnCluster, FlushWaitsForTheLowestUnsettledBatchOfEachPartition) {
  std::deque<std::int16_t> errors = {broker_error::none, broker_error::not_enough_replicas,
                                     broker_error::topic_authorization_failed};
  answer_by([&](const Slice&, Told& told, wire::ProduceResponse&) {
    script.answer_after = 50ms;
    if (errors.empty()) return;
    told.error_code = errors.front();
    errors.pop_front();
  });
  start({.linger = 1ms});
  send(0);
  world.run_for(1s);
  ASSERT_EQ(stored(), 1u);
  send(0);
  world.run_for(5ms);
  std::optional<Result<FlushReport>> flushed;
  producer_->flush(world.now() + 10s, [&](Result<FlushReport> report) {
    flushed = report;
    EXPECT_EQ(stored(), 2u) << "the record that the flush covers has no outcome yet";
  });
  send(0);
  ASSERT_TRUE(world.run_until([&] { return flushed.has_value(); }, 10s));
  ASSERT_TRUE(*flushed);
  EXPECT_EQ((*flushed)->failed, 1u);
  EXPECT_EQ(told_.size(), 3u);
}

TEST_F(ProducerOnCluster, KeepsRequestsWithinTheirLimitBesideALargeRecord) {
  script.leaders[1].node = NodeId{1};
  start({.linger = 1ms, .batch_bytes = 1'024, .max_request_bytes = 2'048});
  for (int round = 0; round < 4; ++round) {
    send(0, std::string(900, 'f'));
    send(1, std::string(1'500, 'l'));
    world.run_for(1s);
  }
  EXPECT_EQ(stored(), 8u);
  EXPECT_EQ(script.produced.size(), 8u) << "the two do not fit into one request";
  for (const auto& [at, request] : script.produced) {
    const auto bytes = wire::encode_request(1, "test", request, 12).value();
    EXPECT_LE(bytes.size(), 2'048u);
  }
  send(0, std::string(500, 'f'));
  send(1, std::string(500, 'f'));
  world.run_for(1s);
  EXPECT_EQ(script.produced.size(), 9u);
}

TEST_F(ProducerOnCluster, RefusesARecordThatNoRequestMayHold) {
  start({.batch_bytes = 1'024, .max_request_bytes = 2'048});
  auto& to = *topic_->table().all.at(0);
  const std::string value(2'000, 'v');
  EXPECT_EQ(to.queue.append({.value = as_bytes(value)}, {}).appended,
            PartitionQueue::Appended::too_large);
  EXPECT_TRUE(to.queue.is_empty());
  send(0, std::string(1'500, 'v'));
  world.run_for(1s);
  EXPECT_EQ(stored(), 1u);
}

TEST_F(ProducerOnCluster, ReportsTheExactTimesOfRecordsThatLieYearsApart) {
  start({.linger = 10ms});
  auto& to = *topic_->table().all.at(0);
  constexpr std::int64_t far = std::int64_t{1} << 33;
  const std::vector<std::int64_t> times = {1'000, 1'000 + far, 999, 1'000 + 2 * far, 1'000};
  std::vector<Delivery> sent;
  for (const std::int64_t time : times) {
    const auto place = to.queue.append({.value = as_bytes("v"), .timestamp = Timestamp{time}},
                                       {.reference = true});
    sent.push_back(HandleAccess::make<Delivery>(place.outcome, place.index, place.timestamp_delta));
    if (place.wake) producer_->wake(to);
  }
  world.run_for(1s);
  for (std::size_t i = 0; i < times.size(); ++i) {
    const auto receipt = sent[i].wait(0ms);
    ASSERT_TRUE(receipt);
    EXPECT_EQ(receipt->timestamp, Timestamp{times[i]});
  }
}

TEST_F(ProducerOnCluster, ARecordMayBeStoredAfterAWaitThatTimedOut) {
  script.is_silent = true;
  start();
  const Delivery under_way = send_untold(0);
  world.run_for(1s);
  const auto on_its_thread = under_way.wait(0ms);
  ASSERT_FALSE(on_its_thread);
  EXPECT_TRUE(on_its_thread.error().is(Errc::would_deadlock));
  EXPECT_EQ(on_its_thread.error().stored(), Stored::possibly);
  const Delivery without_producer = HandleAccess::make<Delivery>(
      new Outcome({}, "orders", 1, PartitionId{0}, Timestamp{0}), 0u, 0);
  const auto waited = without_producer.wait(0ms);
  ASSERT_FALSE(waited);
  EXPECT_TRUE(waited.error().is(Errc::timed_out));
  EXPECT_EQ(waited.error().stored(), Stored::possibly);
}

// A later answer on the same connection could belong to any request.
TEST_F(ProducerOnCluster, TreatsAnUnreadableAnswerAsABrokenConnection) {
  start({.linger = 0us});
  send(0);
  world.run_for(1s);
  ASSERT_EQ(stored(), 1u);
  std::vector<wire::BatchHeader> stored_by_server;
  const auto by_script = [&](bool readable) {
    script.handlers.insert_or_assign(
        wire::ApiKey::produce,
        ClusterScript::Handler{
            wire::ProduceRequest::api,
            [&, readable](NodeId, const wire::RequestHeader& header, const Slice& body) {
              const auto asked =
                  wire::decode<wire::ProduceRequest>(body, header.api_version).value();
              const auto& sent = asked.topic_data.at(0).partition_data.at(0);
              const auto batch = wire::read_batch_header(sent.records->flatten()->bytes()).value();
              const bool is_new = std::ranges::none_of(stored_by_server, [&](const auto& each) {
                return each.base_sequence == batch.base_sequence;
              });
              if (is_new) stored_by_server.push_back(batch);
              wire::ProduceResponse answer;
              answer.responses.emplace_back().name = "orders";
              answer.responses.back().partition_responses.emplace_back().index = sent.index;
              auto bytes =
                  wire::encode_response(header.correlation_id, answer, header.api_version).value();
              if (readable) return std::optional(std::move(bytes));
              std::string text(bytes.flatten()->text());
              // After the lengths, the correlation id and the tags: the number of topics.
              text.at(9) = 126;
              return std::optional(Chain(Slice::copy_of(text)));
            }});
  };
  by_script(false);
  send(0);
  ASSERT_TRUE(world.run_until([&] { return stored_by_server.size() == 1; }, 1s));
  by_script(true);
  send(0);
  world.run_for(5s);
  EXPECT_EQ(stored(), 3u) << (told_.size() > 1 && !told_[1] ? told_[1].error().to_string() : "");
  ASSERT_EQ(stored_by_server.size(), 2u);
  EXPECT_EQ(stored_by_server[0].base_sequence, 1);
  EXPECT_EQ(stored_by_server[1].base_sequence, 2);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_TRUE(warnings[0].starts_with("connection: broker-1:9092: unreadable answer to Produce: "))
      << warnings[0];
}

TEST_F(ProducerOnCluster, TreatsAnAnswerAboveMaxResponseBytesAsABrokenConnection) {
  engine_options.link.limits.max_frame_bytes = 4'096;
  start({.linger = 0us});
  int asked = 0;
  answer_by([&](const Slice&, Told& told, wire::ProduceResponse&) {
    if (++asked == 1) told.error_message = std::string(10'000, 'x');
  });
  send(0);
  world.run_for(5s);
  EXPECT_EQ(stored(), 1u) << (told_.empty() ? "" : told_[0].error().to_string());
  EXPECT_EQ(asked, 2);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("the answer to Produce is above max_response_bytes: "),
            std::string::npos)
      << warnings[0];
}

TEST_F(ProducerOnCluster, CloseFailsUnsettledRecords) {
  script.is_silent = true;
  start();
  send(0);
  world.run_for(1s);
  std::optional<Result<FlushReport>> closed;
  producer_->close(CallTime::from(world.now(), 2s),
                   [&](Result<FlushReport> report) { closed = report; });
  world.run_for(3s);
  ASSERT_TRUE(closed && *closed);
  EXPECT_EQ((*closed)->failed, 1u);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_TRUE(told_[0].error().is(Errc::closed));
  EXPECT_EQ(told_[0].error().stored(), Stored::possibly);
}

TEST_F(ProducerOnCluster, ClosesAsItsServerIsReachedIfItNeedsNoAnswer) {
  start({.acks = Acks::none, .idempotence = false});
  send(0);
  std::optional<Result<FlushReport>> closed;
  producer_->close(CallTime::from(world.now(), 5s),
                   [&](Result<FlushReport> report) { closed = report; });
  EXPECT_FALSE(closed) << "the connection for its records is not ready yet";
  world.run_for(1s);
  ASSERT_TRUE(closed && *closed);
  EXPECT_EQ((*closed)->failed, 0u);
  EXPECT_EQ(stored(), 1u);
}

TEST_F(ProducerOnCluster, CompressesOnAnotherThreadAndKeepsTheOrder) {
  start({.linger = 0us, .compression = CompressionCodec::gzip});
  for (int i = 0; i < 20; ++i) {
    send(0, "record " + std::to_string(i));
    world.run_for(1ms);
  }
  world.run_for(2s);
  EXPECT_EQ(stored(), 20u);
  int next = 0;
  for (const auto& produced : script.produced) {
    const auto& records = produced.request.topic_data.at(0).partition_data.at(0).records;
    auto reader = wire::BatchReader::open(*records->flatten());
    ASSERT_TRUE(reader);
    EXPECT_EQ(reader->header().compression(), wire::Compression::gzip);
    EXPECT_EQ(reader->header().base_sequence, next);
    RecordView record;
    while (reader->next(record)) {
      EXPECT_EQ(as_text(*record.value), "record " + std::to_string(next++));
    }
  }
  EXPECT_EQ(next, 20);
}

/// The calls of ProducerOptions::on_batch, as text.
struct BatchesHeard {
  void operator()(const SettledBatch& batch) {
    std::string line = std::string(batch.topic) + "-" + std::to_string(batch.partition.value);
    if (batch.error != nullptr) line += " failed";
    for (const RecordView& record : batch.records) {
      line += " " + std::to_string(record.offset.value) + ":" + std::string(as_text(*record.value));
    }
    lines.push_back(line);
  }
  std::vector<std::string> lines;
};

class ProducerThatTellsOfBatches : public ProducerOnCluster,
                                   public testing::WithParamInterface<CompressionCodec> {};

TEST_P(ProducerThatTellsOfBatches, ReportsABatchBeforeItsCallersGetTheirOutcomes) {
  BatchesHeard heard;
  std::size_t callers_told = 7;
  start({.compression = GetParam(), .on_batch = [&](const SettledBatch& batch) {
           if (heard.lines.empty()) callers_told = told_.size();
           heard(batch);
         }});
  send(0, "a");
  send(0, "b");
  world.run_for(1s);
  EXPECT_EQ(callers_told, 0u);
  ASSERT_EQ(told_.size(), 2u);
  ASSERT_TRUE(told_[0] && told_[1]);
  EXPECT_THAT(heard.lines,
              testing::ElementsAre("orders-0 " + std::to_string(told_[0]->offset.value) + ":a " +
                                   std::to_string(told_[1]->offset.value) + ":b"));
}
INSTANTIATE_TEST_SUITE_P(WithAndWithoutCompression, ProducerThatTellsOfBatches,
                         testing::Values(CompressionCodec::none, CompressionCodec::lz4));

TEST_F(ProducerOnCluster, ReportsBatchesThatFailBeforeTheyAreSent) {
  BatchesHeard heard;
  script.leaders = {{NodeId{}, LeaderEpoch{0}}, {NodeId{}, LeaderEpoch{0}}};
  start({.linger = 0us, .delivery_timeout = 31s, .on_batch = std::ref(heard)});
  send(0, "a");
  world.run_for(40s);
  EXPECT_THAT(heard.lines, testing::ElementsAre("orders-0 failed -1:a"));
}

TEST_F(ProducerOnCluster, ReportsEachPartOfABatchThatWasTooLarge) {
  BatchesHeard heard;
  answer_by([&](const Slice& batch, Told& told, wire::ProduceResponse&) {
    const auto header = wire::read_batch_header(batch.bytes()).value();
    if (header.count > 1) {
      told.error_code = broker_error::message_too_large;
      return;
    }
    told.base_offset = Offset{script.next_offset++};
  });
  start({.on_batch = std::ref(heard)});
  for (const char* value : {"a", "b", "c"}) send(0, value);
  world.run_for(5s);
  EXPECT_THAT(heard.lines, testing::ElementsAre("orders-0 0:a", "orders-0 1:b", "orders-0 2:c"));
}

/// A producer whose records take eight slabs, and much less once they are compressed.
class ProducerOfCompressedRecords : public ProducerOnCluster {
 protected:
  static constexpr std::size_t record_bytes = 8 * slab_bytes - 1'024;

  /// Its memory while a batch of such records is under way and its server has not answered.
  std::size_t memory_under_way(ProducerOptions options) {
    script.is_silent = true;
    options.compression = CompressionCodec::lz4;
    start(std::move(options));
    send(0, std::string(record_bytes, 'x'));
    EXPECT_GE(producer_->budget.used(), record_bytes) << "it is not compressed yet";
    world.run_for(1s);
    EXPECT_EQ(script.produced.size(), 1u);
    return producer_->budget.used();
  }
};

TEST_F(ProducerOfCompressedRecords, KeepsThemUntilItHasReportedTheirBatch) {
  BatchesHeard heard;
  EXPECT_GE(memory_under_way({.delivery_timeout = 31s, .on_batch = std::ref(heard)}), record_bytes);
  world.run_for(40s);
  ASSERT_EQ(heard.lines.size(), 1u);
  EXPECT_LT(producer_->budget.used(), slab_bytes);
}

TEST_F(ProducerOfCompressedRecords, FreesThemAtOnceIfItReportsNoBatches) {
  EXPECT_LT(memory_under_way({.delivery_timeout = 31s}), slab_bytes);
}

TEST_F(ProducerOnCluster, CompressesTheHalvesOfABatchThatIsTooLarge) {
  std::vector<wire::BatchHeader> stored;
  std::vector<std::string> values;
  answer_by([&](const Slice& batch, Told& told, wire::ProduceResponse&) {
    const auto header = wire::read_batch_header(batch.bytes()).value();
    if (header.count > 3) {
      told.error_code = broker_error::message_too_large;
      return;
    }
    told.base_offset = Offset{static_cast<std::int64_t>(values.size())};
    stored.push_back(header);
    auto reader = wire::BatchReader::open(batch);
    RecordView record;
    while (reader->next(record)) values.emplace_back(as_text(*record.value));
  });
  start({.linger = 50ms, .compression = CompressionCodec::gzip});
  for (int i = 0; i < 10; ++i) send(0, "record " + std::to_string(i));
  world.run_for(2s);
  // The next batch has the numbers that follow.
  send(0, "record 10");
  world.run_for(1s);
  EXPECT_EQ(this->stored(), 11u);
  ASSERT_EQ(values.size(), 11u);
  for (int i = 0; i < 11; ++i) {
    const auto at = static_cast<std::size_t>(i);
    EXPECT_EQ(values[at], "record " + std::to_string(i));
    EXPECT_EQ(told_.at(at)->offset, Offset{i});
  }
  ASSERT_EQ(stored.size(), 5u) << "10 is 5 and 5, each of them 2 and 3; then the last record";
  // After each split the remaining records are numbered under the next epoch.
  std::map<ProducerEpoch, std::int32_t> next;
  for (const auto& header : stored) {
    EXPECT_EQ(header.compression(), wire::Compression::gzip);
    EXPECT_EQ(header.base_sequence, next[header.producer_epoch]);
    next[header.producer_epoch] += header.count;
  }
}

constexpr std::int16_t refused = broker_error::topic_authorization_failed;

TEST_F(ProducerOnCluster, ReportsAFailedBatchThatNoCallerReadOnce) {
  std::vector<Error> untaken;
  script.produce_errors = {refused, refused};
  start({.on_untaken_failure = [&](const Error& why) { untaken.push_back(why); }});
  (void)send_untold(0);
  (void)send_untold(0);
  world.run_for(1s);
  ASSERT_EQ(script.produced.size(), 1u);
  ASSERT_EQ(untaken.size(), 1u);
  EXPECT_TRUE(untaken[0].is_broker(refused));
  {
    const Delivery kept = send_untold(1);
    world.run_for(1s);
    EXPECT_TRUE(kept.is_done());
    EXPECT_EQ(untaken.size(), 1u) << "it may still be asked";
  }
  EXPECT_EQ(untaken.size(), 2u);
  EXPECT_TRUE(warnings.empty());
}

TEST_F(ProducerOnCluster, ReportsAFailedBatchThatNoCallerReadBeforeAFlushEnds) {
  int untaken = 0;
  script.produce_errors = {refused};
  start({.linger = 10s, .on_untaken_failure = [&](const Error&) { ++untaken; }});
  (void)send_untold(0);
  std::optional<int> reported;
  producer_->flush(never, [&](const Result<FlushReport>&) { reported = untaken; });
  world.run_for(1s);
  EXPECT_EQ(reported, 1);
}

TEST_F(ProducerOnCluster, NamesThePlaceOfAFailedBatchThatNoCallerRead) {
  std::vector<std::string> places;
  script.produce_errors = {refused};
  start({}, [&](const UntakenFailure& failure) {
    EXPECT_TRUE(failure.why.is_broker(refused));
    places.push_back(partition_name(failure.topic, failure.partition));
  });
  (void)send_untold(1);
  world.run_for(1s);
  EXPECT_EQ(places, std::vector<std::string>{"orders-1"});
}

TEST_F(ProducerOnCluster, ReportsFailuresOfDeliveriesThatOutliveItOnlyInItsLastReport) {
  int untaken = 0;
  script.produce_errors = {refused};
  const ProducerOptions options{.on_untaken_failure = [&](const Error&) { ++untaken; }};
  ScriptedWorld::start([&](const std::shared_ptr<SimulatedClient>& made, sim::Process& self) {
    producer_ = std::make_shared<client::RecordSender>(made, options);
    producer_->start();
    producer_->find_topic(
        "orders", self.clock().mono() + 60s,
        [this](Result<std::shared_ptr<client::IntakeTopic>> found) { topic_ = *found; });
    return made;
  });
  {
    const Delivery kept = send_untold(0);
    world.run_for(1s);
    ASSERT_TRUE(kept.is_done());
    std::optional<Result<FlushReport>> closed;
    producer_->close(CallTime::from(world.now(), 1s),
                     [&](Result<FlushReport> report) { closed = report; });
    world.run_for(1s);
    ASSERT_TRUE(closed && *closed);
    EXPECT_EQ((*closed)->failed, 1u);
    const std::weak_ptr<client::RecordSender> gone = producer_;
    producer_.reset();
    topic_.reset();
    ASSERT_TRUE(gone.expired());
  }
  EXPECT_EQ(untaken, 0);
  EXPECT_TRUE(warnings.empty());
}

TEST_F(ProducerOnCluster, DoesNotReportFailuresThatACallerRead) {
  int untaken = 0;
  script.produce_errors = {refused, refused};
  start({.on_untaken_failure = [&](const Error&) { ++untaken; }});
  {
    const Delivery asked = send_untold(0);
    world.run_for(1s);
    EXPECT_TRUE(asked.wait(0ms).error().is_broker(refused));
  }
  send(0);
  world.run_for(1s);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_TRUE(told_[0].error().is_broker(refused));
  // Stored records are no failures.
  (void)send_untold(0);
  world.run_for(1s);
  EXPECT_EQ(script.produced.size(), 3u);
  EXPECT_EQ(untaken, 0);
  EXPECT_TRUE(warnings.empty());
}

TEST_F(ProducerOnCluster, ReportsASplitBatchOnce) {
  int untaken = 0;
  answer_by([](const Slice&, Told& told, wire::ProduceResponse&) {
    told.error_code = broker_error::message_too_large;
  });
  start({.linger = 50ms, .on_untaken_failure = [&](const Error&) { ++untaken; }});
  for (int i = 0; i < 4; ++i) (void)send_untold(0);
  world.run_for(2s);
  EXPECT_EQ(untaken, 1);
}

TEST_F(ProducerOnCluster, LogsThatAFunctionOfTheProgramThrewAndContinues) {
  int batches = 0;
  start({.linger = 0us, .on_batch = [&](const SettledBatch&) {
           if (++batches == 1) throw std::runtime_error("no disk");
         }});
  send(0);
  world.run_for(1s);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_TRUE(told_[0]);
  EXPECT_EQ(warnings, std::vector<std::string>{"producer: on_batch threw: no disk"});
  send(0);
  world.run_for(1s);
  EXPECT_EQ(batches, 2);
  EXPECT_EQ(stored(), 2u);
}

TEST_F(ProducerOnCluster, LogsAtMostOnceASecondThatDeliveryCallbacksThrow) {
  start({.linger = 0us});
  const auto send_throwing = [&] { send(0, "value", [](const Result<Receipt>&) { throw 7; }); };
  for (int i = 0; i < 3; ++i) send_throwing();
  world.run_for(100ms);
  const std::string line =
      "producer: a delivery callback threw: an object that is no std::exception";
  EXPECT_EQ(warnings, std::vector<std::string>{line});
  world.run_for(1s);
  send_throwing();
  world.run_for(100ms);
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_EQ(warnings[1], line + " (2 more since the last line)");
  send(0);
  world.run_for(100ms);
  EXPECT_EQ(stored(), 1u);
}

TEST_F(ProducerOnCluster, LogsACallbackThatThrowsForARecordThatWasNeverSent) {
  script.leaders = {{NodeId{}, LeaderEpoch{0}}, {NodeId{}, LeaderEpoch{0}}};
  start({.linger = 0us, .delivery_timeout = 31s});
  send(0, "value", [](const Result<Receipt>&) { throw std::runtime_error("no"); });
  send(0);
  world.run_for(40s);
  EXPECT_EQ(std::ranges::count(warnings, "producer: a delivery callback threw: no"), 1);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_TRUE(told_[0].error().is(Errc::timed_out));
}

TEST_F(ProducerOnCluster, LogsAFailureWhoseHandlerThrows) {
  script.produce_errors = {refused};
  start({.on_untaken_failure = [](const Error&) { throw std::runtime_error("no ink"); }});
  (void)send_untold(0);
  world.run_for(1s);
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_EQ(warnings[0], "producer: on_untaken_failure threw: no ink");
  EXPECT_TRUE(warnings[1].starts_with("producer: failed batches whose outcome was not read: 1"))
      << warnings[1];
}

TEST_F(ProducerOnCluster, LogsFailuresThatNoCallerReadOnceASecondWithTheirCount) {
  script.produce_errors = {refused, refused, refused, refused};
  start({.linger = 0us});
  // Whole seconds of the client's clock begin with the world's.
  world.run_for(1s - world.now().time_since_epoch() % 1s);
  for (int i = 0; i < 3; ++i) {
    (void)send_untold(0);
    world.run_for(100ms);
  }
  const std::string line = "producer: failed batches whose outcome was not read: ";
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_TRUE(warnings[0].starts_with(line + "1; the last: TOPIC_AUTHORIZATION_FAILED (29): "))
      << warnings[0];
  world.run_for(1s);
  (void)send_untold(0);
  world.run_for(100ms);
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_TRUE(warnings[1].starts_with(line + "4; the last: ")) << warnings[1];
}

TEST_F(ProducerOnCluster, SendsNoRequestWhileTheServerThrottles) {
  std::vector<TimePoint> asked_at;
  std::int32_t throttle_ms = 700;
  answer_by([&](const Slice&, Told& told, wire::ProduceResponse& answer) {
    asked_at.push_back(world.now());
    answer.throttle_time_ms = throttle_ms;
    told.base_offset = Offset{0};
  });
  start({.linger = 0us});
  for (int i = 0; i < 4; ++i) {
    send(0);
    world.run_for(100ms);
  }
  EXPECT_EQ(asked_at.size(), 1u);
  send(1);
  world.run_for(100ms);
  EXPECT_EQ(asked_at.size(), 2u) << "the other server did not ask for it";
  world.run_for(3s);
  EXPECT_EQ(stored(), 5u);
  ASSERT_EQ(asked_at.size(), 3u) << "what had to wait goes in one batch";
  EXPECT_GE(asked_at[2] - asked_at[0], 700ms);
  EXPECT_LT(asked_at[2] - asked_at[0], 710ms);
  ASSERT_EQ(warnings.size(), 2u) << "a line a minute for each";
  EXPECT_EQ(warnings[0],
            "connection: broker-1:9092 throttles this client: requests to it wait 700 ms (1 times "
            "so far)");
  world.run_for(1min);
  throttle_ms = 0;
  send(0);
  world.run_for(100ms);
  send(0);
  world.run_for(100ms);
  EXPECT_EQ(asked_at.size(), 5u) << "without a throttle time nothing waits";
  EXPECT_EQ(warnings.size(), 2u);
}

TEST_F(ProducerOnCluster, DetectsThatATopicDoesNotExist) {
  start();
  script.leaders.clear();
  std::optional<Error> why;
  producer_->find_topic(
      "missing", world.now() + 5s,
      [&](Result<std::shared_ptr<client::IntakeTopic>> found) { why = found.error(); });
  world.run_for(6s);
  ASSERT_TRUE(why);
  EXPECT_TRUE(why->is(Errc::timed_out)) << why->to_string();
}

}  // namespace
}  // namespace dohle::client
