// The messaging API on Apache Kafka 4.3.1, and the birdstrikes example.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"
#include "integration/apache_kafka_server.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 30s;
constexpr int partitions = 4;

struct Reading {
  std::string sensor;
  int number = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Reading, sensor, number)
};

/// Messages that handlers got on any thread, by sensor and in order.
class Seen {
 public:
  void add(const Reading& reading) {
    const std::lock_guard lock(mutex_);
    numbers_[reading.sensor].push_back(reading.number);
    distinct_.insert(reading.number);
    changed_.notify_all();
  }
  bool wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return distinct_.size() >= count; });
  }
  std::map<std::string, std::vector<int>> numbers() {
    const std::lock_guard lock(mutex_);
    return numbers_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::vector<int>> numbers_;
  std::set<int> distinct_;
};

class ApacheMessaging : public testing::Test {
 protected:
  static void SetUpTestSuite() { server_.emplace(); }
  static void TearDownTestSuite() { server_.reset(); }

  static Broker connected(kafka::BrokerOptions options = {}) {
    options.addresses = {server_->address()};
    auto broker = kafka::new_broker(std::move(options));
    EXPECT_TRUE(broker.has_value());
    const auto reached = broker->connect(patience);
    EXPECT_TRUE(reached.has_value()) << reached.error().to_string();
    return std::move(*broker);
  }
  static void publish(Broker& broker, const std::string& topic, int first, int last) {
    for (int i = first; i < last; ++i) {
      const Reading reading{"sensor " + std::to_string(i % 11), i};
      const auto sent = broker.publish(
          topic, reading, {.key = reading.sensor, .headers = {{"number", std::to_string(i)}}});
      ASSERT_TRUE(sent.has_value()) << sent.error().to_string();
    }
    const auto flushed = broker.flush(patience);
    ASSERT_TRUE(flushed.has_value()) << flushed.error().to_string();
    ASSERT_EQ(flushed->failed, 0u);
  }

  static inline std::optional<ApacheKafkaServer> server_;
};

TEST_F(ApacheMessaging, AGroupGetsTypedMessagesInOrderPerKeyThroughMiddlewareOnBothSides) {
  constexpr int count = 1'000;
  std::atomic<int> published{0}, handled{0};
  Broker broker = connected({
      .publish_middlewares = {[&](PublishHandler next) -> PublishHandler {
        return [&, next = std::move(next)](std::string_view topic, Message& message) {
          ++published;
          return next(topic, message);
        };
      }},
      .subscribe_middlewares = {[&](SubscribeHandler next) -> SubscribeHandler {
        return [&, next = std::move(next)](RawEvent& event) {
          ++handled;
          return next(event);
        };
      }},
  });
  ASSERT_TRUE(kafka::create_topic(broker, "readings", partitions, 1).has_value());
  ASSERT_TRUE(kafka::create_topic(server_->address(), "readings", partitions, 1).has_value())
      << "it exists: success";
  Seen seen;
  const auto handler = [&](Event<Reading> event) {
    EXPECT_EQ(event.key(), event->sensor);
    EXPECT_EQ(event.header("number"), std::to_string(event->number));
    seen.add(*event);
  };
  auto one = broker.subscribe<Reading>("readings", handler, {.group_id = "summary"});
  auto two = broker.subscribe<Reading>("readings", handler, {.group_id = "summary"});
  ASSERT_TRUE(one.has_value() && two.has_value());
  ASSERT_TRUE(one->wait_ready(patience).has_value());
  ASSERT_TRUE(two->wait_ready(patience).has_value());
  publish(broker, "readings", 0, count);
  ASSERT_TRUE(seen.wait_for(count));
  // One subscription ends; the other one takes all partitions.
  ASSERT_TRUE(one->unsubscribe(patience).has_value());
  publish(broker, "readings", count, 2 * count);
  ASSERT_TRUE(seen.wait_for(2 * count));
  const auto ended = broker.disconnect(patience);
  ASSERT_TRUE(ended.has_value()) << ended.error().to_string();
  EXPECT_EQ(ended->failed, 0u);
  EXPECT_EQ(published, 2 * count);
  EXPECT_GE(handled, 2 * count);
  for (auto [sensor, numbers] : seen.numbers()) {
    // A group delivers at least once; repeated messages are in order too.
    std::set<int> known;
    int last = -1;
    for (const int number : numbers) {
      if (!known.insert(number).second) continue;
      EXPECT_GT(number, last) << "of " << sensor;
      last = number;
    }
  }

  // Everything was committed: a new member of the group gets only new messages.
  Broker next = connected();
  Seen only_new;
  auto later = next.subscribe<Reading>(
      "readings", [&](const Reading& reading) { only_new.add(reading); }, {.group_id = "summary"});
  ASSERT_TRUE(later.has_value());
  publish(next, "readings", 2 * count, 2 * count + 10);
  ASSERT_TRUE(only_new.wait_for(10));
  for (const auto& [sensor, numbers] : only_new.numbers()) EXPECT_GE(numbers.front(), 2 * count);
}

TEST_F(ApacheMessaging, ReadsWithoutAGroupFromTheEndOrWhereItIsTold) {
  Broker broker = connected();
  ASSERT_TRUE(kafka::create_topic(broker, "loose", 2, 1).has_value());
  publish(broker, "loose", 0, 20);
  Seen from_end, from_start;
  auto end = broker.subscribe<Reading>("loose", [&](const Reading& r) { from_end.add(r); });
  auto start = broker.subscribe<Reading>("loose", [&](const Reading& r) { from_start.add(r); },
                                         {.start_offset = StartOffset::first()});
  ASSERT_TRUE(end.has_value() && start.has_value());
  ASSERT_TRUE(end->wait_ready(patience).has_value());
  ASSERT_TRUE(start->wait_ready(patience).has_value());
  publish(broker, "loose", 20, 30);
  EXPECT_TRUE(from_start.wait_for(30));
  EXPECT_TRUE(from_end.wait_for(10));
  for (const auto& [sensor, numbers] : from_end.numbers()) EXPECT_GE(numbers.front(), 20);
}

#ifdef DOHLE_BIRDSTRIKES
TEST_F(ApacheMessaging, TheBirdstrikesExampleProvesThatNothingHappenedToItsRows) {
  const std::string command =
      std::string(DOHLE_BIRDSTRIKES) + " --rate 2500 --brokers " + server_->address();
  EXPECT_EQ(::system(command.c_str()), 0);
}
#endif

}  // namespace
}  // namespace dohle
