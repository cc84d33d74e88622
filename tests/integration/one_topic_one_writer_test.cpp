// A producer of each topic, seen by the producer ids in the log, and how a broker bounds them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/cluster/handle_access.hpp"
#include "client/cluster/shared_client.hpp"
#include "client/cluster/waiter.hpp"
#include "client_on_node.hpp"
#include "dohle/admin.hpp"
#include "dohle/kafka.hpp"
#include "messaging/publish/pipelines.hpp"
#include "scratch_directory.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;
using messaging::Pipeline;
using messaging::PipelineKey;
using messaging::Pipelines;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto patience = 20s;

/// The producer id of the only batch in a partition's log: 43 bytes into the batch, big-endian.
std::int64_t producer_id_in(const std::filesystem::path& partition) {
  std::ifstream file(partition / "00000000000000000000.log", std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  EXPECT_GT(bytes.size(), 61u) << partition;
  if (bytes.size() <= 61) return -2;
  std::int64_t id = 0;
  for (std::size_t i = 43; i < 51; ++i) id = id * 256 + static_cast<unsigned char>(bytes[i]);
  return id;
}

/// The producer ids with which two topics are written.
std::pair<std::int64_t, std::int64_t> ids_of_two_topics(const BrokerOption& option) {
  const ScratchDirectory directory;
  auto broker = kafka::new_broker(with_address("embedded:" + directory.path()), option);
  EXPECT_TRUE(broker && broker->connect(patience));
  for (const char* topic : {"a", "b"}) {
    EXPECT_TRUE(kafka::create_topic(*broker, topic, 1, 1));
    const auto sent = broker->publish(topic, "text", with_publish_async(false));
    EXPECT_TRUE(sent) << sent.error().to_string();
  }
  EXPECT_TRUE(broker->disconnect(patience));
  return {producer_id_in(directory / "a-0"), producer_id_in(directory / "b-0")};
}

TEST(OneTopicOneWriter, GivesEachTopicAProducerIdOfItsOwn) {
  const auto [of_a, of_b] = ids_of_two_topics([](kafka::BrokerOptions&) {});
  EXPECT_GE(of_a, 0);
  EXPECT_GE(of_b, 0);
  EXPECT_NE(of_a, of_b);
}

TEST(OneTopicOneWriter, WritesAllTopicsWithOneProducerIdIfSwitchedOff) {
  const auto [of_a, of_b] = ids_of_two_topics(kafka::with_enable_one_topic_one_writer(false));
  EXPECT_GE(of_a, 0);
  EXPECT_EQ(of_a, of_b);
}

TEST(OneTopicOneWriter, FlushesAndCountsTheFailuresOfAllTopics) {
  auto broker = kafka::new_broker(with_address("embedded:memory"), kafka::with_batch_timeout(1min),
                                  kafka::with_retries(0));
  ASSERT_TRUE(broker && broker->connect(patience));
  std::vector<Delivery> deliveries;
  for (int i = 0; i < 20; ++i) {
    const std::string topic = "t" + std::to_string(i);
    ASSERT_TRUE(kafka::create_topic(*broker, topic, 1, 1));
    auto sent = broker->publish(topic, "text");
    ASSERT_TRUE(sent) << sent.error().to_string();
    deliveries.push_back(std::move(*sent));
  }
  const auto flushed = broker->flush(patience);
  ASSERT_TRUE(flushed) << flushed.error().to_string();
  EXPECT_EQ(flushed->failed, 0u);
  for (const Delivery& each : deliveries) EXPECT_TRUE(each.is_done());
}

/// A broker with two topics on a node of its own, of which topic "a" cannot be written: its files
/// were moved away, which the node notices. Its records are sent again until delivery_timeout.
class BlockedTopic : public testing::Test {
 protected:
  void start(bool one_topic_one_writer) {
    auto made = kafka::new_broker(
        with_address("embedded:" + directory_.path()), kafka::with_batch_bytes(16 << 10),
        kafka::with_batch_timeout(1ms), kafka::with_error_logger(silent_logger()),
        kafka::with_properties({{"buffer.memory", "1048576"}, {"max.block.ms", "200"}}),
        kafka::with_enable_one_topic_one_writer(one_topic_one_writer));
    ASSERT_TRUE(made) << made.error().to_string();
    ASSERT_TRUE(made->connect(patience));
    broker_.emplace(std::move(*made));
    for (const char* topic : {"a", "b"}) {
      ASSERT_TRUE(kafka::create_topic(*broker_, topic, 1, 1));
      ASSERT_TRUE(publish_now(topic));
    }
    std::filesystem::rename(directory_ / "a-0", directory_ / "moved");
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (publish_now("a", 300ms) && std::chrono::steady_clock::now() < deadline) {
    }
    fill();
  }
  /// Whether the message is stored.
  bool publish_now(const char* topic, std::optional<std::chrono::milliseconds> timeout = {}) {
    return broker_->publish(topic, "text", PublishOptions{.async = false, .timeout = timeout})
        .has_value();
  }
  /// Publishes to "a" until the memory for it is spent.
  void fill() {
    const std::string large(8 << 10, 'x');
    for (int i = 0; i < 1'000; ++i) {
      const auto sent = broker_->publish("a", large);
      if (sent) continue;
      EXPECT_TRUE(sent.error().is(Errc::buffer_full)) << sent.error().to_string();
      return;
    }
    FAIL() << "topic a is not blocked";
  }
  void TearDown() override { (void)broker_->disconnect(100ms); }

  const ScratchDirectory directory_;
  std::optional<Broker> broker_;
};

TEST_F(BlockedTopic, DelaysNoOtherTopicIfItHasItsOwnProducer) {
  ASSERT_NO_FATAL_FAILURE(start(true));
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(publish_now("b"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 60s) << "delivery_timeout is 120 s";
  EXPECT_TRUE(broker_->publish("a", std::string(8 << 10, 'x')).error().is(Errc::buffer_full));
}

TEST_F(BlockedTopic, TakesTheMemoryOfAllTopicsIfTheyShareAProducer) {
  ASSERT_NO_FATAL_FAILURE(start(false));
  const auto refused = broker_->publish("b", std::string(8 << 10, 'x'));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::buffer_full)) << refused.error().to_string();
}

/// Pipelines of a client.
class PipelinesOnNode : public ClientOnNode {
 protected:
  void SetUp() override {
    ClientOnNode::SetUp();
    ASSERT_TRUE(client_->connect(patience));
    for (const char* topic : {"a", "b", "c"}) {
      ASSERT_TRUE(client_->admin().create_topics({{.name = topic, .partitions = 1}}));
    }
  }

  Result<Pipelines::Handle> take(Pipelines& from, std::string_view topic,
                                 const PipelineKey& key = {}) {
    return from.find_or_make(
        key, topic,
        {.make = [this](const PipelineKey&) { return client_->producer({.linger = 1min}); },
         .on_clients_thread =
             [this](const std::function<void()>& task) {
               ASSERT_TRUE(client::wait_for<void>(client::HandleAccess::insides(*client_)->loop(),
                                                  [&task](auto promise) {
                                                    task();
                                                    promise({});
                                                  }));
             }});
  }
  static Delivery put(Pipeline& pipeline) {
    std::optional<CallDeadline> deadline;
    auto topic = pipeline.resolved(deadline);
    EXPECT_TRUE(topic) << topic.error().to_string();
    auto sent = pipeline.producer.send(**topic, {.value = as_bytes("text")});
    EXPECT_TRUE(sent) << sent.error().to_string();
    return std::move(*sent);
  }
};

TEST_F(PipelinesOnNode, ExistOnceForEachTopicAndCombination) {
  Pipelines pipelines;
  const auto first = take(pipelines, "a").value();
  EXPECT_EQ(take(pipelines, "a").value(), first);
  EXPECT_EQ(pipelines.find({}, "a"), first);
  EXPECT_NE(take(pipelines, "b").value(), first);
  EXPECT_NE(take(pipelines, "a", {.acks = Acks::leader}).value(), first);
  EXPECT_EQ(pipelines.find({.acks = Acks::leader}, "b"), nullptr);
  EXPECT_EQ(pipelines.all().size(), 3u);
}

TEST_F(PipelinesOnNode, EvictOneWithoutRecordsAtTheirBound) {
  Pipelines pipelines(2);
  const auto idle = take(pipelines, "a").value();
  const auto busy = take(pipelines, "b").value();
  EXPECT_EQ(pipelines.find({}, "a"), idle) << "which this thread remembers";
  const Delivery waiting = put(*busy);
  const auto third = take(pipelines, "c");
  ASSERT_TRUE(third) << third.error().to_string();
  EXPECT_EQ(pipelines.find({}, "a"), nullptr) << "also while somebody holds it";
  EXPECT_EQ(pipelines.find({}, "b"), busy);
  EXPECT_TRUE(waiting.get()) << "it was not closed";
  EXPECT_TRUE(idle->was_refused_in_passing());
  EXPECT_FALSE(busy->producer.close(patience)->first_error);
  EXPECT_FALSE(busy->was_refused_in_passing());
}

TEST_F(PipelinesOnNode, AreRefusedBeyondTheirBoundWhileEachHoldsRecords) {
  Pipelines pipelines(2);
  const Delivery of_a = put(*take(pipelines, "a").value());
  const Delivery of_b = put(*take(pipelines, "b").value());
  const auto refused = take(pipelines, "c");
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::limit_reached));
  EXPECT_TRUE(refused.error().is_retriable());
  EXPECT_THAT(std::string(refused.error().message()),
              HasSubstr("each of the broker's 2 producers holds messages, and topic c has none"));
  EXPECT_TRUE(of_a.get());
  EXPECT_TRUE(take(pipelines, "c"));
  EXPECT_TRUE(of_b.get());
}

TEST_F(PipelinesOnNode, AreRefusedOnceTheyAreClosed) {
  Pipelines pipelines;
  ASSERT_TRUE(take(pipelines, "a"));
  EXPECT_EQ(pipelines.close().size(), 1u);
  const auto refused = take(pipelines, "b");
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::closed));
}

// Threads publish to more topics than there may be producers, so that each forgets those of others
// while they publish. A record that is refused in passing is published again.
TEST_F(PipelinesOnNode, LoseNothingWhileThreadsEvictEachOthersPipelines) {
  Pipelines pipelines(2);
  constexpr int rounds = 200;
  std::vector<std::thread> threads;
  std::atomic<int> stored{0};
  for (const char* topic : {"a", "b", "c"}) {
    threads.emplace_back([&, topic] {
      for (int i = 0; i < rounds;) {
        const auto pipeline = take(pipelines, topic);
        if (!pipeline) {
          ASSERT_TRUE(pipeline.error().is(Errc::limit_reached)) << pipeline.error().to_string();
          continue;
        }
        std::optional<CallDeadline> deadline;
        const auto resolved = (*pipeline)->resolved(deadline);
        auto sent = resolved ? (*pipeline)->producer.send(**resolved, {.value = as_bytes("text")})
                             : Result<Delivery>(fail(resolved.error()));
        if (!sent) {
          ASSERT_TRUE(sent.error().is(Errc::closed)) << sent.error().to_string();
          ASSERT_TRUE((*pipeline)->was_refused_in_passing());
          continue;
        }
        ASSERT_TRUE(sent->get());
        ++stored;
        ++i;
      }
    });
  }
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(stored, 3 * rounds);
  EXPECT_LE(pipelines.all().size(), 2u);
  std::vector<OffsetQuery> queries;
  for (const char* topic : {"a", "b", "c"}) {
    queries.push_back({{topic, PartitionId{0}}, OffsetSpec::latest()});
  }
  const auto ends = client_->admin().list_offsets(std::move(queries));
  ASSERT_TRUE(ends) << ends.error().to_string();
  for (const OffsetAnswer& each : *ends) EXPECT_EQ(each.result->offset, Offset{rounds});
}

}  // namespace
}  // namespace dohle
