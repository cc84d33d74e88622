// Options of the messaging API, each seen by its effect on an embedded node. A test has the name of
// its option.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/kafka.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto patience = 20s;

/// What a completion got, in words.
class Completions {
 public:
  void operator()(const SettledBatch& batch) {
    std::string line = std::string(batch.topic) + "-" + std::to_string(batch.partition.value) +
                       " from " + std::to_string(batch.base_offset.value) +
                       (batch.error != nullptr ? " failed" : "") + ":";
    for (const RecordView& record : batch.records)
      line += " " + std::string(as_text(*record.value));
    const std::lock_guard lock(mutex_);
    lines_.push_back(line);
    changed_.notify_all();
  }
  bool wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return lines_.size() >= count; });
  }
  std::vector<std::string> lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

/// A broker on a node of its own with a topic "t" of three partitions.
class Options : public testing::Test {
 protected:
  template <class... Given>
  void connect(Given&&... given) {
    auto made = kafka::new_broker(with_address("embedded:memory"), std::forward<Given>(given)...);
    ASSERT_TRUE(made) << made.error().to_string();
    broker_.emplace(std::move(*made));
    auto connected = broker_->connect(patience);
    ASSERT_TRUE(connected) << connected.error().to_string();
    ASSERT_TRUE(kafka::create_topic(*broker_, "t", 3, 1));
  }

  /// Publishes one message, and returns its partition.
  template <class... Given>
  std::int32_t publish(Given&&... given) {
    auto sent = broker_->publish("t", "text", std::forward<Given>(given)...);
    if (!sent) {
      ADD_FAILURE() << sent.error().to_string();
      return -1;
    }
    auto receipt = sent->get();
    if (!receipt) {
      ADD_FAILURE() << receipt.error().to_string();
      return -1;
    }
    return receipt->partition.value;
  }

  /// Outlives the broker, whose end tells it of the last batches.
  Completions completions_;
  std::optional<Broker> broker_;
};

class BrokerOption : public Options {};
class PublishOption : public Options {};

PartitionId second_partition(std::string_view topic, const Record&, std::int32_t partitions) {
  EXPECT_EQ(topic, "t");
  EXPECT_EQ(partitions, 3);
  return PartitionId{1};
}

TEST_F(BrokerOption, balancer_of_round_robin_counts_each_message) {
  connect(kafka::with_round_robin_balancer(2));
  EXPECT_THAT((std::vector{publish(), publish(kafka::with_message_key("c")), publish(), publish()}),
              ElementsAre(0, 0, 1, 1));
}

TEST_F(BrokerOption, balancer_is_one_for_all_pipelines_and_for_publishes_that_name_it) {
  connect(kafka::with_round_robin_balancer());
  EXPECT_THAT((std::vector{publish(), publish(with_publish_required_acks(Acks::leader)),
                           publish(kafka::with_round_robin_balancer()), publish()}),
              ElementsAre(0, 1, 2, 0));
}

// Of the key "c" murmur2 is 1, crc32 0 and fnv1a 2, modulo 3.
TEST_F(BrokerOption, balancer_chooses_by_the_key) {
  connect();
  EXPECT_EQ(publish(kafka::with_message_key("c")), 1);
  broker_.reset();
  connect(kafka::with_crc32_balancer());
  EXPECT_EQ(publish(kafka::with_message_key("c")), 0);
  broker_.reset();
  connect(kafka::with_hash_balancer());
  EXPECT_EQ(publish(kafka::with_message_key("c")), 2);
}

TEST_F(PublishOption, balancer_is_effective_on_every_call) {
  connect();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(publish(kafka::with_balancer(second_partition)), 1);
    EXPECT_EQ(publish(kafka::with_message_key("c"), kafka::with_crc32_balancer()), 0);
    EXPECT_EQ(publish(kafka::with_message_key("c"), kafka::with_hash_balancer()), 2);
    EXPECT_EQ(publish(kafka::with_message_key("c"), kafka::with_reference_hash_balancer()), 0);
    EXPECT_EQ(publish(kafka::with_message_key("c"), kafka::with_murmur2_balancer()), 1);
    EXPECT_EQ(
        publish(kafka::with_message_key("c"), kafka::with_hash_balancer([](Bytes) { return 1u; })),
        1);
  }
}

TEST_F(PublishOption, balancer_of_least_bytes_remembers_what_it_sent) {
  connect();
  const auto least = kafka::with_least_bytes_balancer();
  EXPECT_EQ(publish(kafka::with_message_key("a key of many bytes"), least), 0);
  EXPECT_EQ(publish(least), 1);
  EXPECT_EQ(publish(least), 2);
  EXPECT_EQ(publish(least), 1);
}

TEST_F(PublishOption, balancer_gives_way_to_a_partition_that_the_message_names) {
  connect();
  EXPECT_EQ(publish(PublishOptions{.partition = PartitionId{2},
                                   .balancer = kafka::Balancer::function(second_partition)}),
            2);
}

TEST_F(PublishOption, balancer_without_a_function_and_with_an_impossible_choice_is_refused) {
  connect();
  const auto empty = broker_->publish("t", "text", kafka::with_balancer(PartitionChoice()));
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().message(), "balancer is an empty function");
  const auto outside = broker_->publish(
      "t", "text", kafka::with_balancer([](std::string_view, const Record&, std::int32_t) {
        return PartitionId{3};
      }));
  ASSERT_FALSE(outside);
  EXPECT_TRUE(outside.error().is(Errc::no_such_partition));
}

TEST_F(PublishOption, callback_and_balancer_go_together) {
  std::atomic<int> stored_in{-1};
  connect();
  ASSERT_TRUE(broker_->publish("t", "text", kafka::with_balancer(second_partition),
                               with_publish_callback([&](const Result<Receipt>& receipt) {
                                 stored_in = receipt ? receipt->partition.value : -2;
                               })));
  ASSERT_TRUE(broker_->flush(patience));
  EXPECT_EQ(stored_in, 1);
}

TEST_F(BrokerOption, completion_gets_each_batch_before_a_synchronous_publish_returns) {
  connect(kafka::with_completion(std::ref(completions_)), kafka::with_async(false));
  for (const char* text : {"one", "two"}) {
    ASSERT_TRUE(broker_->publish("t", text, PublishOptions{.partition = PartitionId{1}}));
  }
  EXPECT_THAT(completions_.lines(), ElementsAre("t-1 from 0: one", "t-1 from 1: two"));
}

TEST_F(BrokerOption, completion_is_waited_for_by_disconnect) {
  connect(kafka::with_completion(std::ref(completions_)), kafka::with_batch_timeout(1s));
  for (const char* text : {"one", "two"}) {
    ASSERT_TRUE(broker_->publish("t", text, PublishOptions{.partition = PartitionId{1}}));
  }
  ASSERT_TRUE(broker_->disconnect(patience));
  EXPECT_THAT(completions_.lines(), ElementsAre("t-1 from 0: one two"));
}

/// Publishes to partition 1, and leaves the Delivery.
void put(Broker& broker, std::string_view text) {
  ASSERT_TRUE(broker.publish("t", text, PublishOptions{.partition = PartitionId{1}}));
}

TEST_F(BrokerOption, batch_size_makes_a_batch_due) {
  connect(kafka::with_completion(std::ref(completions_)), kafka::with_batch_timeout(1min),
          kafka::with_batch_size(3));
  put(*broker_, "a");
  put(*broker_, "b");
  put(*broker_, "c");
  EXPECT_TRUE(completions_.wait_for(1));
  EXPECT_THAT(completions_.lines(), ElementsAre("t-1 from 0: a b c"));
}

TEST_F(BrokerOption, batch_bytes_end_a_batch) {
  connect(kafka::with_completion(std::ref(completions_)), kafka::with_batch_timeout(1min),
          kafka::with_batch_bytes(512));
  const std::string first(400, 'a'), second(400, 'b');
  put(*broker_, first);
  put(*broker_, second);
  EXPECT_TRUE(completions_.wait_for(1));
  EXPECT_THAT(completions_.lines(), ElementsAre("t-1 from 0: " + first));
}

TEST_F(BrokerOption, batch_timeout_makes_a_batch_due) {
  connect(kafka::with_completion(std::ref(completions_)), kafka::with_batch_timeout(1ms));
  put(*broker_, "a");
  EXPECT_TRUE(completions_.wait_for(1));
}

TEST_F(BrokerOption, completion_that_throws_is_logged_and_loses_nothing) {
  std::mutex mutex;
  std::string logged;
  const auto logger =
      function_logger(LogLevel::warning, [&](LogLevel, std::string_view, std::string_view line) {
        const std::lock_guard lock(mutex);
        logged += line;
      });
  connect(kafka::with_error_logger(logger),
          kafka::with_completion([](const SettledBatch&) { throw std::runtime_error("no disk"); }));
  publish();
  ASSERT_TRUE(broker_->disconnect(patience));
  const std::lock_guard lock(mutex);
  EXPECT_THAT(logged, HasSubstr("a completion threw: no disk"));
}

TEST_F(PublishOption, offset_is_seen_by_middlewares) {
  Offset seen;
  connect(with_publish_middlewares({[&](PublishHandler next) -> PublishHandler {
    return [&seen, next = std::move(next)](std::string_view topic, Message& message) {
      seen = message.offset();
      return next(topic, message);
    };
  }}));
  publish(kafka::with_message_offset(Offset{42}));
  EXPECT_EQ(seen, Offset{42});
}

TEST_F(PublishOption, combinations_of_acks_attempts_and_timeout_are_sixteen_at_most) {
  connect();
  for (int retries = 0; retries < 15; ++retries) publish(with_publish_retries(retries));
  publish(with_publish_retries(3));
  const auto refused =
      broker_->publish("t", "text", with_publish_async(true), with_publish_timeout(300ms));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::limit_reached));
  EXPECT_THAT(
      std::string(refused.error().message()),
      testing::StartsWith("a publish asks for acks all, timeout 300 ms, and a broker has at "
                          "most 16 combinations of acks, attempts and timeout; it has acks "
                          "all; acks all, max_attempts 1; acks all, max_attempts 2; "));
  publish();
}

TEST_F(PublishOption, timeout_of_an_asynchronous_publish_bounds_what_was_not_sent) {
  auto nobody = kafka::new_broker(with_address("embedded:memory"));
  ASSERT_TRUE(nobody && nobody->connect(patience));
  ASSERT_TRUE(kafka::create_topic(*nobody, "t", 1, 1));
  auto sent = nobody->publish("t", "text", with_publish_async(true), with_publish_timeout(5s));
  ASSERT_TRUE(sent) << sent.error().to_string();
  EXPECT_TRUE(sent->get());
  const auto without =
      nobody->publish("t", "text", with_publish_async(true), with_publish_timeout(0ms));
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().message(), "timeout is 0 ms; it is allowed with async false only");
}

}  // namespace
}  // namespace dohle
