// Calls of the public handles on simulated threads and scripted servers: the timeout of those that
// wait for two things is for both together; ends without a timeout have the default.
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "dohle/kafka.hpp"
#include "dohle/producer.hpp"
#include "messaging/broker_access.hpp"
#include "messaging/broker_runtime.hpp"
#include "simulation/application.hpp"
#include "simulation/complaints.hpp"
#include "unit/client/scripted_cluster.hpp"

namespace dohle::simulation {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds max_block = 2s;
constexpr Duration metadata_delay = 1500ms;
/// For the turns of loop, thread and timers.
constexpr Duration slack = 50ms;

/// The server of all partitions never answers a produce request, so that a small buffer stays full.
/// A request that names the topic "late" is answered after 1.5 s.
class BlockingCalls : public testing::Test {
 protected:
  BlockingCalls() {
    script_.brokers = {NodeId{1}, NodeId{2}};
    script_.leaders = {{NodeId{2}, LeaderEpoch{0}}};
    script_.controller = NodeId{1};
    script_.is_silent = true;
    script_.on<wire::MetadataRequest>([this](NodeId, const wire::MetadataRequest& asked) {
      wire::MetadataResponse answer;
      answer.brokers.push_back({NodeId{1}, "broker-1", 9092, {}});
      answer.brokers.push_back({NodeId{2}, "broker-2", 9092, {}});
      answer.controller_id = NodeId{1};
      if (!asked.topics) return answer;
      for (const auto& wanted : *asked.topics) {
        auto& topic = answer.topics.emplace_back();
        topic.name = wanted.name;
        topic.topic_id = TopicId{{static_cast<std::uint8_t>(wanted.name->size())}};
        auto& partition = topic.partitions.emplace_back();
        partition.partition_index = PartitionId{0};
        partition.leader_id = NodeId{2};
        partition.leader_epoch = LeaderEpoch{0};
        if (wanted.name == "late") script_.answer_after = metadata_delay;
      }
      return answer;
    });
    for (const NodeId broker : script_.brokers) {
      const std::string name = "broker-" + std::to_string(broker.value);
      world_.machine(name).start(name, [this, broker](sim::Process& self) {
        return std::make_shared<client::ScriptedBroker>(self, script_, broker);
      });
    }
  }
  ~BlockingCalls() override {
    for (const auto& [name, machine] : world_.machines()) machine->lose_power();
    world_.run_for(1s);
  }

  /// Fills the buffer of a producer, then makes the call on a thread and returns its time.
  Duration time_of(const std::function<Result<void>(Producer&)>& call) {
    Application application(stage_, "caller");
    std::optional<Duration> took;
    application.start([&] {
      auto client =
          client::make_client({.bootstrap_servers = {"broker-1:9092"}}, application.environment());
      ASSERT_TRUE(client);
      const auto connected = client->connect(5s);
      ASSERT_TRUE(connected) << connected.error().to_string();
      auto producer = client->producer(
          {.batch_bytes = 16 << 10, .buffer_bytes = 64 << 10, .max_block = max_block});
      ASSERT_TRUE(producer);
      const auto orders = producer->topic("orders");
      ASSERT_TRUE(orders) << orders.error().to_string();
      const std::string value(1'000, 'x');
      while (producer->try_send(*orders, {.value = as_bytes(value)})) continue;
      const TimePoint began = application.now();
      const auto outcome = call(*producer);
      took = application.now() - began;
      EXPECT_FALSE(outcome);
      if (outcome) return;
      EXPECT_TRUE(outcome.error().is(Errc::buffer_full)) << outcome.error().to_string();
      (void)producer->close(1s);
      (void)client->close(1s);
    });
    run_threads();
    return took.value_or(Duration::max());
  }
  void run_threads() {
    world_.run_until([this] { return threads_.unfinished().empty(); }, 60s);
    EXPECT_TRUE(threads_.unfinished().empty());
  }

  sim::World world_{3};
  sim::Threads threads_{world_};
  Complaints complaints_;
  Effects effects_;
  std::shared_ptr<Logger> logger_ = silent_logger();
  Stage stage_{world_, threads_, complaints_, effects_, *logger_};
  client::ClusterScript script_;
  const std::string large_ = std::string(16 << 10, 'y');
  const Record record_{.value = as_bytes(large_)};
};

Result<void> outcome_of(const Result<Delivery>& sent) {
  return sent ? Result<void>() : Result<void>(fail(sent.error()));
}

TEST_F(BlockingCalls, a_send_by_name_waits_max_block_for_topic_and_memory_together) {
  const Duration took =
      time_of([&](Producer& producer) { return outcome_of(producer.send("late", record_)); });
  EXPECT_GE(took, max_block - slack);
  EXPECT_LE(took, max_block + slack);
}

TEST_F(BlockingCalls, a_send_to_a_known_topic_waits_max_block_for_memory) {
  const Duration took =
      time_of([&](Producer& producer) { return outcome_of(producer.send("orders", record_)); });
  EXPECT_GE(took, max_block - slack);
  EXPECT_LE(took, max_block + slack);
}

struct Publishing {
  const char* name;
  bool has_writer_per_topic;
  bool has_callback;
  bool has_balancer;
};

class BlockingPublish : public BlockingCalls, public testing::WithParamInterface<Publishing> {
 protected:
  [[nodiscard]] Broker make_broker(Application& application) const {
    kafka::BrokerOptions options;
    options.addresses = {"broker-1:9092"};
    options.enable_error_logger = false;
    options.enable_one_topic_one_writer = GetParam().has_writer_per_topic;
    options.batch_bytes = 16 << 10;
    options.producer_options = [](ProducerOptions& producer) {
      producer.buffer_bytes = 64 << 10;
      producer.max_block = max_block;
    };
    return messaging::BrokerAccess::make(std::make_shared<messaging::BrokerRuntime>(
        std::move(options), [&application](const ClientOptions& asked) {
          return client::make_client(asked, application.environment());
        }));
  }
  [[nodiscard]] static PublishOptions publish_options() {
    PublishOptions options;
    options.async = true;
    if (GetParam().has_callback) options.callback = [](const Result<Receipt>&) {};
    if (GetParam().has_balancer) options.balancer = kafka::Balancer::round_robin();
    return options;
  }
};

TEST_P(BlockingPublish, waits_max_block_for_topic_and_memory_together) {
  Application application(stage_, "caller");
  std::optional<Duration> took;
  application.start([&] {
    Broker broker = make_broker(application);
    const auto connected = broker.connect(5s);
    ASSERT_TRUE(connected) << connected.error().to_string();
    const std::string body(1'000, 'x');
    while (broker.publish("orders", body, publish_options())) continue;
    const TimePoint began = application.now();
    const auto published = broker.publish("late", large_, publish_options());
    took = application.now() - began;
    ASSERT_FALSE(published);
    EXPECT_TRUE(published.error().is(Errc::buffer_full)) << published.error().to_string();
    (void)broker.disconnect(1s);
  });
  run_threads();
  ASSERT_TRUE(took);
  EXPECT_GE(*took, max_block - slack);
  EXPECT_LE(*took, max_block + slack);
}

TEST_P(BlockingPublish, holds_disconnect_for_30_s_by_default) {
  Application application(stage_, "caller");
  std::optional<Duration> took;
  application.start([&] {
    Broker broker = make_broker(application);
    ASSERT_TRUE(broker.connect(5s));
    ASSERT_TRUE(broker.publish("orders", "text", publish_options()));
    const TimePoint began = application.now();
    (void)broker.disconnect();
    took = application.now() - began;
  });
  run_threads();
  ASSERT_TRUE(took);
  EXPECT_GE(*took, 30s - slack);
  EXPECT_LE(*took, 31s);
}

TEST_P(BlockingPublish, holds_unsubscribe_for_30_s_by_default) {
  Application application(stage_, "caller");
  std::optional<Duration> took;
  bool hangs = false;
  application.start([&] {
    Broker broker = make_broker(application);
    ASSERT_TRUE(broker.connect(5s));
    SubscribeOptions options{.partition = PartitionId{0},
                             .start_offset = StartOffset::at(Offset{0})};
    options.on_assigned = [&](std::span<const TopicPartition>) {
      hangs = true;
      application.pass_time(40s);
    };
    auto reader = broker.subscribe("orders", [](RawEvent) {}, std::move(options));
    ASSERT_TRUE(reader) << reader.error().to_string();
    const TimePoint give_up = application.now() + 10s;
    while (!hangs && application.now() < give_up) application.pass_time(10ms);
    ASSERT_TRUE(hangs);
    const TimePoint began = application.now();
    EXPECT_FALSE(reader->unsubscribe());
    took = application.now() - began;
    (void)broker.disconnect(1s);
  });
  run_threads();
  ASSERT_TRUE(took);
  EXPECT_GE(*took, 30s - slack);
  EXPECT_LE(*took, 30s + slack);
}

INSTANTIATE_TEST_SUITE_P(
    of_each_kind, BlockingPublish,
    testing::Values(Publishing{"a_writer_per_topic", true, false, false},
                    Publishing{"a_writer_per_topic_with_callback", true, true, false},
                    Publishing{"a_writer_per_topic_with_balancer", true, false, true},
                    Publishing{"one_writer", false, false, false},
                    Publishing{"one_writer_with_callback", false, true, false},
                    Publishing{"one_writer_with_balancer", false, false, true},
                    Publishing{"one_writer_with_both", false, true, true}),
    [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace dohle::simulation
