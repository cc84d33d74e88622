// The producer against a scripted cluster, over the simulated network.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/broker_errors.hpp"
#include "client/produce_core.hpp"
#include "scripted_cluster.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;

class ProducerOnCluster : public testing::Test, public ScriptedWorld {
 protected:
  void start(ProducerOptions options = {}) {
    ScriptedWorld::start(
        [this, options](std::shared_ptr<SimulatedClient> made, sim::Process& self) {
          producer_ = std::make_shared<detail::ProduceCore>(std::move(made), options);
          producer_->start();
          producer_->find_topic(
              "orders", self.clock().mono() + 60s,
              [this](Result<std::shared_ptr<detail::TopicCore>> found) { topic_ = *found; });
          return producer_;
        });
    ASSERT_TRUE(topic_);
  }
  ~ProducerOnCluster() override {
    if (producer_) producer_->close({}, [](Result<FlushReport>) {});
    world.run_for(1s);
  }

  /// Appends one record and tells its fate in `told_`.
  void send(std::size_t partition, std::string_view value = "value") {
    DeliveryCallback callback = [this](Result<Receipt> receipt) {
      told_.push_back(std::move(receipt));
    };
    auto& to = *topic_->table().all.at(partition);
    const auto place = to.queue.append({.value = as_bytes(value)}, {.callback = &callback});
    ASSERT_EQ(place.appended, PartitionQueue::Appended::ok);
    if (place.wake) producer_->wake(to);
  }
  std::size_t stored() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(told_, [](const Result<Receipt>& each) { return each.has_value(); }));
  }

  std::shared_ptr<detail::ProduceCore> producer_;
  std::shared_ptr<detail::TopicCore> topic_;
  std::vector<Result<Receipt>> told_;
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

TEST_F(ProducerOnCluster, FollowsAPartitionToItsNewLeader) {
  start();
  script.move_leader(0, NodeId{2});
  send(0);
  world.run_for(5s);
  EXPECT_EQ(stored(), 1u);
  EXPECT_EQ(script.produced.front().at, NodeId{1});
  EXPECT_EQ(script.produced.back().at, NodeId{2});
}

TEST_F(ProducerOnCluster, TriesAgainWhatTheServerCouldNotDo) {
  script.produce_errors = {broker_error::not_enough_replicas, broker_error::request_timed_out};
  start();
  send(0);
  world.run_for(5s);
  EXPECT_EQ(stored(), 1u);
  EXPECT_EQ(script.produced.size(), 3u);
}

TEST_F(ProducerOnCluster, TellsWhatCannotBeRetried) {
  script.produce_errors = {broker_error::topic_authorization_failed};
  start();
  send(0);
  world.run_for(5s);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_TRUE(told_[0].error().is_broker(broker_error::topic_authorization_failed));
  EXPECT_NE(told_[0].error().message().find("orders-0"), std::string_view::npos);
  EXPECT_EQ(script.produced.size(), 1u);
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
  EXPECT_EQ(told_[0].error().stored(), Stored::possibly);
}

TEST_F(ProducerOnCluster, SaysWhatStoodInTheWayLast) {
  script.produce_errors.assign(1'000, broker_error::kafka_storage_error);
  start({.delivery_timeout = 40s, .request_timeout = 15s});
  send(0);
  world.run_for(45s);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_TRUE(told_[0].error().is(Errc::timed_out));
  const std::string message(told_[0].error().message());
  for (const std::string_view part :
       {"produce to orders-0: not acknowledged within 40000 ms (delivery_timeout); last: ",
        "KAFKA_STORAGE_ERROR (56): ", "cannot read or write its disk"}) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

TEST_F(ProducerOnCluster, SaysWhyNoServerIsReached) {
  start({.delivery_timeout = 20s, .request_timeout = 15s});
  world.network().refuse("broker-1");
  world.network().reset("broker-1", "client");
  send(0);
  world.run_for(25s);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_NE(told_[0].error().message().find("broker-1:9092"), std::string_view::npos)
      << told_[0].error().to_string();
}

TEST_F(ProducerOnCluster, CarriesOnWhenTheServerComesBack) {
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

TEST_F(ProducerOnCluster, CloseFailsWhatIsStillUnderWay) {
  script.is_silent = true;
  start();
  send(0);
  world.run_for(1s);
  std::optional<Result<FlushReport>> closed;
  producer_->close(world.now() + 2s, [&](Result<FlushReport> report) { closed = report; });
  world.run_for(3s);
  ASSERT_TRUE(closed && *closed);
  EXPECT_EQ((*closed)->failed, 1u);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_TRUE(told_[0].error().is(Errc::closed));
  EXPECT_EQ(told_[0].error().stored(), Stored::possibly);
}

TEST_F(ProducerOnCluster, CompressesBesideTheLoopAndKeepsTheOrder) {
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

TEST_F(ProducerOnCluster, FindsOutThatATopicDoesNotExist) {
  start();
  script.leaders.clear();
  std::optional<Error> why;
  producer_->find_topic(
      "missing", world.now() + 5s,
      [&](Result<std::shared_ptr<detail::TopicCore>> found) { why = found.error(); });
  world.run_for(6s);
  ASSERT_TRUE(why);
  EXPECT_TRUE(why->is(Errc::timed_out)) << why->to_string();
}

}  // namespace
}  // namespace dohle::client
