// Subscriptions whose messages the program takes by next, through client and node.
#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "dohle/codec/json.hpp"
#include "options_fixture.hpp"

namespace dohle {
namespace {

using std::chrono::steady_clock;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto first = StartOffset::first();

class PullSubscription : public Options {
 protected:
  void SetUp() override {
    connect(with_error_handler([this](const Failure& failure) {
              lines_.add(std::string(failure.error.message()));
            }),
            kafka::with_max_wait(20ms));
  }
  template <class... Given>
  PullSubscriber<std::string> pull(Given&&... given) {
    auto made = broker_->subscribe_pull<std::string>("t", with_group_id("g"),
                                                     std::forward<Given>(given)...);
    EXPECT_TRUE(made) << made.error().to_string();
    return std::move(*made);
  }
  /// The next message's text.
  static std::string text(PullSubscriber<std::string>& reader) {
    auto next = reader.next(patience);
    if (!next) return next.error().to_string();
    return *next ? std::string((*next)->value()) : "none";
  }
  std::optional<std::int64_t> committed(std::int32_t partition = 0) {
    const auto offsets = broker_->client()->admin().group_offsets("g");
    EXPECT_TRUE(offsets) << offsets.error().to_string();
    for (const auto& each : *offsets) {
      if (each.partition == TopicPartition{"t", PartitionId{partition}}) return each.offset.value;
    }
    return std::nullopt;
  }
  bool wait_for_commit(std::int64_t offset) {
    const auto deadline = steady_clock::now() + patience;
    while (committed() != offset) {
      if (steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
};

TEST_F(PullSubscription, hands_out_decoded_messages_in_their_order) {
  for (const char* each : {"a", "b", "c"}) store(each);
  auto reader = pull();
  EXPECT_EQ(reader.topic(), "t");
  EXPECT_EQ(text(reader), "a");
  EXPECT_EQ(text(reader), "b");
  EXPECT_EQ(text(reader), "c");
  const auto none = reader.next(10ms);
  ASSERT_TRUE(none) << none.error().to_string();
  EXPECT_FALSE(*none);
}

TEST_F(PullSubscription, keeps_the_order_of_a_partition_whatever_its_keys) {
  std::vector<std::string> sent;
  for (int i = 0; i < 50; ++i) {
    sent.push_back(std::to_string(i));
    const auto stored = broker_->publish(
        "t", sent.back(),
        PublishOptions{
            .key = "k" + std::to_string(i % 7), .partition = PartitionId{0}, .async = false});
    ASSERT_TRUE(stored) << stored.error().to_string();
  }
  auto reader = pull(disable_auto_ack());
  std::vector<std::string> got;
  for (int i = 0; i < 50; ++i) got.push_back(text(reader));
  EXPECT_EQ(got, sent);
}

TEST_F(PullSubscription, acknowledges_a_message_when_its_thread_asks_for_the_next) {
  for (const char* each : {"a", "b"}) store(each);
  auto reader = pull();
  EXPECT_EQ(text(reader), "a");
  EXPECT_EQ(text(reader), "b");
  EXPECT_TRUE(wait_for_commit(1));
  ASSERT_TRUE(reader.next(0ms));
  EXPECT_TRUE(wait_for_commit(2));
}

TEST_F(PullSubscription, hands_out_messages_again_that_were_unacknowledged_at_its_end) {
  for (const char* each : {"a", "b"}) store(each);
  {
    auto reader = pull();
    EXPECT_EQ(text(reader), "a");
    EXPECT_EQ(text(reader), "b");
    ASSERT_TRUE(reader.unsubscribe(patience));
  }
  EXPECT_EQ(committed(), 1);
  auto again = pull();
  auto next = again.next(patience);
  ASSERT_TRUE(next && *next);
  EXPECT_EQ((*next)->value(), "b");
  EXPECT_TRUE((*next)->ack());
  ASSERT_TRUE(again.unsubscribe(patience));
  EXPECT_EQ(committed(), 2) << "ack counts at once";
}

TEST_F(PullSubscription, without_auto_ack_acknowledges_nothing_by_itself) {
  for (const char* each : {"a", "b", "c"}) store(each);
  auto reader = pull(disable_auto_ack());
  std::vector<Event<std::string>> kept;
  for (int i = 0; i < 3; ++i) {
    auto next = reader.next(patience);
    ASSERT_TRUE(next && *next);
    kept.push_back(*std::move(*next));
  }
  // In another order, on another thread.
  std::thread([&] {
    EXPECT_TRUE(kept[1].ack());
    EXPECT_TRUE(kept[0].ack());
  }).join();
  ASSERT_TRUE(reader.unsubscribe(patience));
  EXPECT_EQ(committed(), 2);
}

TEST_F(PullSubscription, hands_out_a_failed_message_again_before_later_ones) {
  for (const char* each : {"a", "b"}) store(each);
  auto reader = pull(with_subscribe_retry(1, 0ms));
  auto next = reader.next(patience);
  ASSERT_TRUE(next && *next);
  EXPECT_EQ((*next)->attempt(), 1);
  ASSERT_TRUE((*next)->nack(Error::client(Errc::handler_failed, "no nest")));
  auto again = reader.next(patience);
  ASSERT_TRUE(again && *again);
  EXPECT_EQ((*again)->value(), "a");
  EXPECT_EQ((*again)->attempt(), 2);
  const auto late = (*next)->ack();
  ASSERT_FALSE(late);
  EXPECT_EQ(text(reader), "b");
}

TEST_F(PullSubscription, passes_a_failed_message_to_the_failure_policy) {
  for (const char* each : {"a", "b"}) store(each);
  auto reader = pull(with_subscribe_retry(0, 0ms), with_failure_policy(FailurePolicy::skip));
  auto next = reader.next(patience);
  ASSERT_TRUE(next && *next);
  ASSERT_TRUE((*next)->nack(Error::client(Errc::handler_failed, "no nest")));
  ASSERT_TRUE(lines_.wait_for(1));
  EXPECT_THAT(lines_.all().front(), HasSubstr("no nest"));
  EXPECT_TRUE(wait_for_commit(1));
  EXPECT_EQ(text(reader), "b");
}

TEST_F(PullSubscription, stores_a_failed_message_in_a_retry_topic_and_reads_it_from_there) {
  store("a");
  auto reader = pull(with_subscribe_retry(0, 0ms), with_retry_topics({1ms}), disable_auto_ack());
  auto next = reader.next(patience);
  ASSERT_TRUE(next && *next);
  ASSERT_TRUE((*next)->retry_after(1ms));
  EXPECT_TRUE(wait_for_commit(1));
  auto again = reader.next(patience);
  ASSERT_TRUE(again && *again);
  EXPECT_EQ((*again)->topic(), "t.g.retry.1ms");
  EXPECT_EQ((*again)->value(), "a");
  EXPECT_EQ((*again)->attempt(), 2);
}

TEST_F(PullSubscription, reports_a_missing_acknowledgement) {
  store("a");
  auto reader = pull(disable_auto_ack(), with_ack_timeout(0ms));
  auto next = reader.next(patience);
  ASSERT_TRUE(next && *next);
  ASSERT_TRUE(lines_.wait_for(1));
  EXPECT_THAT(lines_.all().front(), HasSubstr("was not acknowledged within ack_timeout"));
}

TEST_F(PullSubscription, never_hands_out_messages_that_cannot_be_decoded) {
  store("no number");
  store("7");
  auto reader = broker_->subscribe_pull<int>("t", with_group_id("g"),
                                             with_failure_policy(FailurePolicy::skip));
  ASSERT_TRUE(reader) << reader.error().to_string();
  auto next = reader->next(patience);
  ASSERT_TRUE(next && *next);
  EXPECT_EQ((*next)->value(), 7);
  ASSERT_TRUE(lines_.wait_for(1));
  EXPECT_THAT(lines_.all().front(), HasSubstr("cannot be decoded"));
}

TEST_F(PullSubscription, hands_out_raw_messages_and_tombstones) {
  ASSERT_TRUE(broker_->publish(
      "t", Message().with_tombstone().with_key("k").with_partition(PartitionId{0})));
  store("text");
  auto reader = broker_->subscribe_pull("t", SubscribeOptions{.start_offset = first});
  ASSERT_TRUE(reader) << reader.error().to_string();
  auto tombstone = reader->next(patience);
  ASSERT_TRUE(tombstone && *tombstone);
  EXPECT_EQ((*tombstone)->key(), "k");
  EXPECT_FALSE((*tombstone)->body());
  auto next = reader->next(patience);
  ASSERT_TRUE(next && *next);
  EXPECT_EQ((*next)->body(), "text");
}

TEST_F(PullSubscription, runs_filter_and_middlewares_inside_next) {
  for (const char* each : {"a", "filtered", "refused", "b"}) store(each);
  const std::thread::id own = std::this_thread::get_id();
  std::atomic<int> elsewhere{0};
  const SubscribeMiddleware watch = [&](SubscribeHandler next) -> SubscribeHandler {
    return [&, next = std::move(next)](RawEvent& event) -> Result<void> {
      if (std::this_thread::get_id() != own) ++elsewhere;
      auto handled = next(event);
      if (event.body() != "refused") return handled;
      return fail(permanent(Error::client(Errc::handler_failed, "it is refused")));
    };
  };
  auto reader = pull(with_filter([](const RawEvent& event) { return event.body() != "filtered"; }),
                     with_subscribe_middlewares({watch}), with_failure_policy(FailurePolicy::skip));
  EXPECT_EQ(text(reader), "a");
  EXPECT_EQ(text(reader), "b");
  EXPECT_EQ(elsewhere, 0);
  ASSERT_TRUE(lines_.wait_for(1));
  EXPECT_THAT(lines_.all().front(), HasSubstr("it is refused"));
  EXPECT_TRUE(wait_for_commit(3));
}

TEST_F(PullSubscription, gives_each_message_to_one_of_several_threads_in_the_order_of_partitions) {
  constexpr int count = 300;
  for (int i = 0; i < count; ++i) {
    ASSERT_TRUE(
        broker_->publish("t", std::to_string(i), PublishOptions{.partition = PartitionId{i % 3}}));
  }
  ASSERT_TRUE(broker_->flush(patience));
  auto reader = pull();
  std::mutex mutex;
  std::map<std::int32_t, std::vector<std::int64_t>> got;
  std::set<std::int32_t> handled;
  std::atomic<int> taken{0}, overlapping{0};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (taken < count) {
        auto next = reader.next(10ms);
        if (!next) return;
        if (!*next) continue;
        const std::int32_t partition = (*next)->partition().value;
        {
          const std::lock_guard lock(mutex);
          if (!handled.insert(partition).second) ++overlapping;
          got[partition].push_back((*next)->offset().value);
        }
        std::this_thread::yield();
        const std::lock_guard lock(mutex);
        handled.erase(partition);
        ++taken;
      }
    });
  }
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(taken, count);
  EXPECT_EQ(overlapping, 0) << "two threads have messages of one partition";
  for (auto& [partition, offsets] : got) {
    EXPECT_TRUE(std::ranges::is_sorted(offsets));
    EXPECT_EQ(offsets.size(), 100u);
  }
}

TEST_F(PullSubscription, unsubscribe_wakes_all_waiting_threads_with_an_error) {
  auto reader = pull();
  ASSERT_TRUE(reader.wait_ready(patience));
  std::vector<std::future<Result<std::optional<Event<std::string>>>>> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.push_back(std::async(std::launch::async, [&] { return reader.next(1h); }));
  }
  ASSERT_TRUE(reader.unsubscribe(patience));
  for (auto& each : waiting) {
    ASSERT_EQ(each.wait_for(patience), std::future_status::ready);
    const auto ended = each.get();
    ASSERT_FALSE(ended);
    EXPECT_TRUE(ended.error().is(Errc::closed)) << ended.error().to_string();
    EXPECT_THAT(std::string(ended.error().message()), HasSubstr("the subscription to t has ended"));
  }
  EXPECT_FALSE(reader.next(0ms));
}

TEST_F(PullSubscription, stop_ends_a_waiting_next_and_no_other) {
  auto reader = pull();
  ASSERT_TRUE(reader.wait_ready(patience));
  std::stop_source source;
  auto stopped =
      std::async(std::launch::async, [&] { return reader.next(patience, source.get_token()); });
  auto other = std::async(std::launch::async, [&] { return reader.next(patience); });
  EXPECT_EQ(stopped.wait_for(10ms), std::future_status::timeout);
  EXPECT_TRUE(source.request_stop());
  const auto ended = stopped.get();
  ASSERT_FALSE(ended);
  EXPECT_TRUE(ended.error().is(Errc::cancelled)) << ended.error().to_string();
  EXPECT_EQ(other.wait_for(0ms), std::future_status::timeout);
  store("a");
  const auto got = other.get();
  ASSERT_TRUE(got && *got);
  EXPECT_EQ((*got)->value(), "a");
}

TEST_F(PullSubscription, next_after_a_stop_acknowledges_the_last_message_and_takes_none) {
  for (const char* each : {"a", "b"}) store(each);
  std::stop_source source;
  auto reader = pull();
  EXPECT_EQ(text(reader), "a");
  EXPECT_TRUE(source.request_stop());
  for (int i = 0; i < 2; ++i) {
    const auto ended = reader.next(patience, source.get_token());
    ASSERT_FALSE(ended);
    EXPECT_TRUE(ended.error().is(Errc::cancelled)) << ended.error().to_string();
  }
  EXPECT_TRUE(wait_for_commit(1));
  EXPECT_EQ(text(reader), "b");
}

TEST_F(PullSubscription, is_ended_by_disconnect) {
  store("a");
  auto reader = pull();
  EXPECT_EQ(text(reader), "a");
  ASSERT_TRUE(broker_->disconnect(patience)) << "a message that next returned is not waited for";
  const auto ended = reader.next(0ms);
  ASSERT_FALSE(ended);
  EXPECT_TRUE(ended.error().is(Errc::closed));
}

TEST_F(PullSubscription, stop_policy_ends_next_with_the_failure) {
  store("a");
  auto reader = pull(with_subscribe_retry(0, 0ms), with_failure_policy(FailurePolicy::stop));
  auto next = reader.next(patience);
  ASSERT_TRUE(next && *next);
  ASSERT_TRUE((*next)->nack(Error::client(Errc::handler_failed, "no nest")));
  const auto ended = reader.next(patience);
  ASSERT_FALSE(ended);
  EXPECT_TRUE(ended.error().is(Errc::closed));
  EXPECT_THAT(std::string(ended.error().message()), HasSubstr("no nest"));
  EXPECT_FALSE(reader.unsubscribe(patience)) << "unsubscribe returns the failure";
}

TEST_F(PullSubscription, next_inside_a_callback_is_refused) {
  std::promise<PullSubscriber<std::string>*> made;
  std::promise<Result<void>> refused;
  auto reader = pull(kafka::with_on_assigned(
      [&, future = made.get_future().share()](std::span<const TopicPartition>) {
        const auto next = future.get()->next(patience);
        refused.set_value(next ? Result<void>() : fail(next.error()));
      }));
  made.set_value(&reader);
  const auto outcome = refused.get_future().get();
  ASSERT_FALSE(outcome);
  EXPECT_TRUE(outcome.error().is(Errc::would_deadlock)) << outcome.error().to_string();
}

TEST_F(PullSubscription, rebalance_waits_for_a_message_that_a_thread_holds) {
  store("a");
  auto reader = pull(
      kafka::with_heartbeat_interval(20ms),
      kafka::with_on_revoked([this](std::span<const TopicPartition>) { lines_.add("revoked"); }));
  EXPECT_EQ(text(reader), "a");
  auto other = broker_->subscribe("t", [](RawEvent) {}, with_group_id("g"));
  ASSERT_TRUE(other) << other.error().to_string();
  EXPECT_FALSE(lines_.wait_for(1, 200ms));
  ASSERT_TRUE(reader.next(0ms));
  ASSERT_TRUE(lines_.wait_for(1));
  ASSERT_TRUE(other->wait_ready(patience));
  EXPECT_EQ(committed(), 1);
}

TEST_F(PullSubscription, leaves_its_group_while_no_thread_calls_next_and_joins_again) {
  auto reader =
      pull(kafka::with_max_poll_interval(1s), kafka::with_rebalance_timeout(500ms),
           kafka::with_on_lost([this](std::span<const TopicPartition>) { lines_.add("lost"); }));
  ASSERT_TRUE(lines_.wait_for(2));
  EXPECT_THAT(lines_.all(),
              ElementsAre("lost",
                          "next was not called for longer than max_poll_interval (1000 ms); the "
                          "subscription leaves the group until it is called again"));
  store("a");
  EXPECT_EQ(text(reader), "a");
}

TEST_F(PullSubscription, refuses_options_of_handlers_by_name) {
  const auto concurrent = broker_->subscribe_pull("t", with_concurrency(2));
  ASSERT_FALSE(concurrent);
  EXPECT_EQ(concurrent.error().message(),
            "concurrency is 2; it is not allowed with subscribe_pull, where any number of threads "
            "may call next");
  const auto batched = broker_->subscribe_pull("t", with_subscribe_batch_size(5));
  ASSERT_FALSE(batched);
  EXPECT_THAT(std::string(batched.error().message()), HasSubstr("with subscribe_batch only"));
}

TEST_F(PullSubscription, reads_no_more_than_max_unacknowledged) {
  for (int i = 0; i < 20; ++i) store(std::to_string(i));
  auto reader = pull(disable_auto_ack(), with_max_unacknowledged(5, 1'000'000));
  std::vector<Event<std::string>> kept;
  for (int i = 0; i < 5; ++i) {
    auto next = reader.next(patience);
    ASSERT_TRUE(next && *next);
    kept.push_back(*std::move(*next));
  }
  const auto none = reader.next(100ms);
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none) << "a sixth message is handed out";
  ASSERT_TRUE(kept.front().ack());
  EXPECT_EQ(text(reader), "5");
}

}  // namespace
}  // namespace dohle
