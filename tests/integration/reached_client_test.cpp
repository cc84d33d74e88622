// The client below a Broker, tested at an embedded node.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "dohle/consumer.hpp"
#include "dohle/kafka.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 20s;

template <class... Given>
Broker connected(Given&&... given) {
  auto broker =
      kafka::new_broker(with_address("embedded:memory"), std::forward<Given>(given)...).value();
  broker.connect(patience).value();
  kafka::create_topic(broker, "t", 1, 1).value();
  return broker;
}

TEST(ReachedClient, has_the_producer_options_without_an_equivalent_of_the_broker) {
  const std::string body(100'000, 'x');
  Broker usual = connected(kafka::with_batch_bytes(4'096), kafka::with_async(false));
  EXPECT_TRUE(usual.publish("t", body));
  Broker small = connected(
      kafka::with_batch_bytes(4'096), kafka::with_async(false),
      kafka::with_producer_options([](ProducerOptions& o) { o.max_request_bytes = 8'192; }));
  const auto refused = small.publish("t", body);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::too_large)) << refused.error().to_string();
}

/// Keeps every event, unacknowledged.
class Keeper {
 public:
  void take(RawEvent event) {
    const std::lock_guard lock(mutex_);
    ++taken_;
    if (!lets_go_) kept_.push_back(std::move(event));
    changed_.notify_all();
  }
  bool wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return taken_ >= count; });
  }
  std::size_t taken() {
    const std::lock_guard lock(mutex_);
    return taken_;
  }
  /// Drops its events, and those that arrive later.
  void let_go() {
    std::vector<RawEvent> dropped;
    const std::lock_guard lock(mutex_);
    lets_go_ = true;
    dropped.swap(kept_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<RawEvent> kept_;
  std::size_t taken_ = 0;
  bool lets_go_ = false;
};

// 40 batches of 20,000 bytes. A reader with 64 KiB gets no more while it holds those; when it lets
// go of them it gets the rest.
TEST(ReachedClient, has_the_consumer_options_of_each_subscription) {
  constexpr std::size_t messages = 40;
  Broker broker = connected(kafka::with_async(false), kafka::with_max_bytes(32 << 10),
                            kafka::with_start_offset(StartOffset::first()));
  for (std::size_t i = 0; i < messages; ++i) {
    ASSERT_TRUE(broker.publish("t", std::string(20'000, 'x')));
  }
  const auto keep_in = [&](Keeper& keeper, auto... given) {
    return broker.subscribe(
        "t", [&keeper](RawEvent event) { keeper.take(std::move(event)); }, disable_auto_ack(),
        given...);
  };
  Keeper few;
  auto bounded = keep_in(
      few, kafka::with_consumer_options([](ConsumerOptions& o) { o.buffer_bytes = 64 << 10; }));
  ASSERT_TRUE(bounded) << bounded.error().to_string();
  ASSERT_TRUE(few.wait_for(1));
  Keeper all;
  auto usual = keep_in(all);
  ASSERT_TRUE(usual) << usual.error().to_string();
  ASSERT_TRUE(all.wait_for(messages));
  EXPECT_LT(few.taken(), 10u);
  few.let_go();
  EXPECT_TRUE(few.wait_for(messages));
  all.let_go();
}

TEST(ReachedClient, is_usable_until_its_broker_disconnects) {
  Broker broker = connected();
  auto client = broker.client();
  ASSERT_TRUE(client) << client.error().to_string();
  ASSERT_TRUE(broker.publish("t", "text").value().get());
  auto consumer = client->consumer({.offset_reset = OffsetReset::earliest}).value();
  ASSERT_TRUE(consumer.assign({{"t", PartitionId{0}}}));
  std::vector<std::string> read;
  while (read.empty()) {
    auto records = consumer.poll(patience);
    ASSERT_TRUE(records) << records.error().to_string();
    for (const ConsumerRecord& record : *records) read.emplace_back(as_text(*record.value));
  }
  EXPECT_THAT(read, testing::ElementsAre("text"));
  ASSERT_TRUE(broker.disconnect(patience));
  EXPECT_TRUE(client->producer().error().is(Errc::closed));
  EXPECT_TRUE(broker.client().error().is(Errc::closed));
}

TEST(ReachedClient, is_absent_before_connect) {
  auto broker = kafka::new_broker(with_address("embedded:memory")).value();
  EXPECT_TRUE(broker.client().error().is(Errc::not_connected));
}

}  // namespace
}  // namespace dohle
