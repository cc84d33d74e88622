// A span of messages, published with a result for each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "dohle/kafka.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 20s;

/// A broker on a node of its own, with a topic "t" of three partitions. Nothing is due by time.
class PublishSpan : public testing::Test {
 protected:
  void SetUp() override {
    auto made = kafka::new_broker(
        with_address("embedded:memory"), kafka::with_batch_timeout(1min),
        kafka::with_batch_size(1'000),
        kafka::with_completion([this](const SettledBatch&) { ++batches_; }),
        with_publish_middlewares({[this](PublishHandler next) -> PublishHandler {
          return [this, next = std::move(next)](std::string_view topic, Message& message) {
            ++seen_;
            return next(topic, message);
          };
        }}));
    ASSERT_TRUE(made) << made.error().to_string();
    broker_.emplace(std::move(*made));
    ASSERT_TRUE(broker_->connect(patience));
    ASSERT_TRUE(kafka::create_topic(*broker_, "t", 3, 1));
  }

  static std::vector<Message> messages(std::size_t count) {
    std::vector<Message> made;
    for (std::size_t i = 0; i < count; ++i) {
      made.push_back(Message("text").with_partition(PartitionId{static_cast<int>(i % 3)}));
    }
    return made;
  }

  /// They outlive the broker, whose end settles the last batches.
  std::atomic<int> batches_{0};
  std::atomic<int> seen_{0};
  std::optional<Broker> broker_;
};

TEST_F(PublishSpan, ReturnsTheResultsInTheOrderOfTheMessages) {
  std::vector<Message> sent = messages(4);
  sent[1].with_body(std::string(3'000'000, 'x'));
  sent[2].with_partition(PartitionId{9});
  const auto results = broker_->publish("t", sent, with_publish_async(false));
  ASSERT_EQ(results.size(), 4u);
  ASSERT_TRUE(results[0]) << results[0].error().to_string();
  EXPECT_EQ(results[0]->get()->offset, Offset{0});
  ASSERT_FALSE(results[1]);
  EXPECT_TRUE(results[1].error().is(Errc::too_large)) << results[1].error().to_string();
  ASSERT_FALSE(results[2]);
  EXPECT_TRUE(results[2].error().is(Errc::no_such_partition)) << results[2].error().to_string();
  ASSERT_TRUE(results[3]) << results[3].error().to_string();
  EXPECT_EQ(results[3]->get()->offset, Offset{1});
  EXPECT_EQ(seen_, 4);
}

TEST_F(PublishSpan, WaitsForAllMessagesInOneBatchOfEachPartition) {
  const auto results = broker_->publish("t", messages(300), PublishOptions{.async = false});
  ASSERT_EQ(results.size(), 300u);
  for (std::size_t i = 0; i < results.size(); ++i) {
    ASSERT_TRUE(results[i]) << results[i].error().to_string();
    ASSERT_TRUE(results[i]->is_done());
    EXPECT_EQ(results[i]->get()->partition.value, static_cast<int>(i % 3));
    EXPECT_EQ(results[i]->get()->offset.value, static_cast<int>(i / 3));
  }
  EXPECT_EQ(batches_, 3);
}

TEST_F(PublishSpan, DoesNotWaitIfItIsAsynchronous) {
  const auto results = broker_->publish("t", messages(6));
  ASSERT_EQ(results.size(), 6u);
  for (const auto& each : results) {
    ASSERT_TRUE(each) << each.error().to_string();
    EXPECT_FALSE(each->is_done());
  }
  ASSERT_TRUE(broker_->flush(patience));
  for (const auto& each : results) EXPECT_TRUE(each->is_done());
}

TEST_F(PublishSpan, HasOneTimeoutForAllMessages) {
  const auto results =
      broker_->publish("t", messages(6), with_publish_async(false), with_publish_timeout(0ms));
  ASSERT_EQ(results.size(), 6u);
  for (const auto& each : results) {
    if (each) continue;  // the answer was there before the wait
    EXPECT_TRUE(each.error().is(Errc::timed_out));
    EXPECT_EQ(each.error().stored(), Stored::possibly);
  }
  EXPECT_EQ(broker_->flush(patience)->failed, 0u);
}

TEST_F(PublishSpan, ReturnsAnErrorOfTheCallForEachMessage) {
  EXPECT_TRUE(broker_->publish("t", std::vector<Message>(), with_publish_async(false)).empty());
  for (const bool async : {false, true}) {
    const auto refused = broker_->publish("t", messages(2), with_publish_async(async),
                                          with_publish_required_acks(static_cast<Acks>(7)));
    ASSERT_EQ(refused.size(), 2u);
    for (const auto& each : refused) {
      EXPECT_EQ(each.error().message().substr(0, 18), "required_acks is 7");
    }
  }
  ASSERT_TRUE(broker_->disconnect(patience));
  const auto late = broker_->publish("t", messages(2), with_publish_async(false));
  ASSERT_EQ(late.size(), 2u);
  for (const auto& each : late) EXPECT_TRUE(each.error().is(Errc::closed));
}

}  // namespace
}  // namespace dohle
