// The messaging API through client and node, over pipes inside the process.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 20s;

struct Strike {
  std::string airport;
  int row = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Strike, airport, row)
};

/// What handlers of any thread saw.
struct Seen {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<int> rows;

  void add(int row) {
    const std::lock_guard lock(mutex);
    rows.push_back(row);
    changed.notify_all();
  }
  bool wait_for(std::size_t count) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, patience, [&] { return rows.size() >= count; });
  }
};

Broker connected(const std::string& address, kafka::BrokerOptions options = {}) {
  options.addresses = {address};
  auto broker = kafka::new_broker(std::move(options));
  EXPECT_TRUE(broker.has_value());
  const auto reached = broker->connect(patience);
  EXPECT_TRUE(reached.has_value()) << reached.error().to_string();
  return std::move(*broker);
}

TEST(MessagingOnNode, brings_typed_messages_with_keys_and_headers) {
  Broker broker = connected("embedded:memory");
  ASSERT_TRUE(kafka::create_topic(broker, "strikes", 3, 1).has_value());
  ASSERT_TRUE(kafka::create_topic(broker, "strikes", 3, 1).has_value()) << "it exists: success";
  Seen seen;
  auto subscriber =
      broker.subscribe<Strike>("strikes",
                               [&](Event<Strike> strike) {
                                 EXPECT_EQ(strike.key(), strike->airport);
                                 EXPECT_EQ(strike.header("row"), std::to_string(strike->row));
                                 seen.add(strike->row);
                               },
                               {.group_id = "summary"});
  ASSERT_TRUE(subscriber.has_value());
  for (int row = 0; row < 100; ++row) {
    const Strike strike{"A" + std::to_string(row % 7), row};
    ASSERT_TRUE(broker
                    .publish("strikes", strike,
                             {.key = strike.airport, .headers = {{"row", std::to_string(row)}}})
                    .has_value());
  }
  EXPECT_TRUE(seen.wait_for(100));
  const auto ended = broker.disconnect(patience);
  ASSERT_TRUE(ended.has_value()) << ended.error().to_string();
  EXPECT_EQ(ended->failed, 0u);
  EXPECT_EQ(std::set<int>(seen.rows.begin(), seen.rows.end()).size(), 100u);
}

TEST(MessagingOnNode, publishes_synchronously_with_a_receipt) {
  Broker broker = connected("embedded:memory", {.async = false});
  ASSERT_TRUE(kafka::create_topic(broker, "t", 1, 1).has_value());
  for (int i = 0; i < 3; ++i) {
    const auto delivery = broker.publish("t", "text");
    ASSERT_TRUE(delivery.has_value()) << delivery.error().to_string();
    EXPECT_EQ(delivery->get()->offset, Offset{i});
  }
}

TEST(MessagingOnNode, resumes_a_group_where_it_was_left) {
  Broker keeper = connected("embedded:memory/resume");
  ASSERT_TRUE(kafka::create_topic(keeper, "t", 1, 1).has_value());
  for (int round = 0; round < 2; ++round) {
    Broker broker = connected("embedded:memory/resume");
    Seen seen;
    auto subscriber = broker.subscribe<Strike>(
        "t", [&](const Strike& strike) { seen.add(strike.row); }, {.group_id = "g"});
    ASSERT_TRUE(subscriber.has_value());
    ASSERT_TRUE(keeper.publish("t", Strike{"A", round}).has_value());
    EXPECT_TRUE(seen.wait_for(1));
    EXPECT_TRUE(broker.disconnect(patience).has_value());
    EXPECT_EQ(seen.rows, std::vector<int>{round});
  }
}

TEST(MessagingOnNode, reports_what_cannot_be_decoded_and_goes_on_once_it_is_skipped) {
  std::atomic<int> failures{0};
  Broker broker = connected("embedded:memory", {.error_handler = [&](const Failure& failure) {
                              if (failure.kind != Failure::Kind::decode) return;
                              ++failures;
                              EXPECT_TRUE(failure.event->ack().has_value());
                            }});
  ASSERT_TRUE(kafka::create_topic(broker, "t", 1, 1).has_value());
  Seen seen;
  auto subscriber = broker.subscribe<Strike>(
      "t", [&](const Strike& strike) { seen.add(strike.row); }, {.group_id = "g"});
  ASSERT_TRUE(subscriber.has_value());
  ASSERT_TRUE(broker.publish("t", "no JSON").has_value());
  ASSERT_TRUE(broker.publish("t", Strike{"A", 7}).has_value());
  EXPECT_TRUE(seen.wait_for(1));
  EXPECT_EQ(failures, 1);
}

TEST(MessagingOnNode, splits_partitions_between_the_subscribers_of_a_group) {
  Broker broker = connected("embedded:memory");
  ASSERT_TRUE(kafka::create_topic(broker, "t", 4, 1).has_value());
  Seen all;
  auto one =
      broker.subscribe<Strike>("t", [&](const Strike& s) { all.add(s.row); }, {.group_id = "g"});
  auto two =
      broker.subscribe<Strike>("t", [&](const Strike& s) { all.add(s.row); }, {.group_id = "g"});
  ASSERT_TRUE(one.has_value() && two.has_value());
  ASSERT_TRUE(one->wait_ready(patience).has_value());
  ASSERT_TRUE(two->wait_ready(patience).has_value());
  for (int row = 0; row < 200; ++row) {
    ASSERT_TRUE(broker.publish("t", Strike{"A", row}, {.partition = PartitionId{row % 4}}));
  }
  EXPECT_TRUE(all.wait_for(200));
  EXPECT_TRUE(broker.disconnect(patience).has_value());
  EXPECT_EQ(std::set<int>(all.rows.begin(), all.rows.end()).size(), 200u);
}

}  // namespace
}  // namespace dohle
