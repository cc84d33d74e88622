// Subscriptions in batches, through client and node.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"
#include "dohle/server.hpp"
#include "dohle/tracer.hpp"
#include "unit/telemetry/recorded_spans.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto patience = 20s;

struct Strike {
  std::string airport;
  int row = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Strike, airport, row)
};

using Rows = std::vector<int>;

/// The rows of the batches that handlers got on any thread.
class Batches {
 public:
  void add(std::span<Event<Strike>> batch) {
    Rows rows;
    for (const Event<Strike>& each : batch) rows.push_back(each->row);
    const std::lock_guard lock(mutex_);
    all_.push_back(std::move(rows));
    changed_.notify_all();
  }
  bool wait_for_rows(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return rows().size() >= count; });
  }
  std::vector<Rows> all() {
    const std::lock_guard lock(mutex_);
    return all_;
  }
  Rows all_rows() {
    const std::lock_guard lock(mutex_);
    return rows();
  }

 private:
  Rows rows() const {
    Rows joined;
    for (const Rows& each : all_) joined.insert(joined.end(), each.begin(), each.end());
    return joined;
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Rows> all_;
};

/// A broker on a node of its own with a topic "t" of one partition.
class SubscriptionInBatches : public testing::Test {
 protected:
  ~SubscriptionInBatches() override {
    readers_.clear();
    broker_.reset();
  }
  void connect(kafka::BrokerOptions options = {}) {
    options.addresses = {"embedded:memory"};
    options.max_wait = 20ms;
    options.error_handler = [this](const Failure& failure) {
      const std::lock_guard lock(mutex_);
      failures_.push_back(std::to_string(failure.offset.value) + ": " + failure.error.to_string());
      failed_.notify_all();
    };
    auto made = kafka::new_broker(std::move(options));
    ASSERT_TRUE(made) << made.error().to_string();
    broker_.emplace(std::move(*made));
    ASSERT_TRUE(broker_->connect(patience));
    ASSERT_TRUE(kafka::create_topic(*broker_, "t", 1, 1));
  }
  void publish(int first, int last, const std::string& topic = "t") {
    for (int row = first; row <= last; ++row) {
      ASSERT_TRUE(broker_->publish(topic, Strike{"A", row}));
    }
    ASSERT_TRUE(broker_->flush(patience));
  }
  void read(auto handler, SubscribeOptions options) {
    options.group_id = "g";
    auto reader = broker_->subscribe_batch<Strike>("t", std::move(handler), std::move(options));
    ASSERT_TRUE(reader) << reader.error().to_string();
    readers_.push_back(std::move(*reader));
  }
  /// Notes the batches and succeeds.
  auto note() {
    return [this](std::span<Event<Strike>> batch) { batches_.add(batch); };
  }
  bool wait_for_failures(std::size_t count) {
    std::unique_lock lock(mutex_);
    return failed_.wait_for(lock, patience, [&] { return failures_.size() >= count; });
  }
  std::vector<std::string> failures() {
    const std::lock_guard lock(mutex_);
    return failures_;
  }
  std::int64_t committed() {
    const auto offsets = broker_->client()->admin().group_offsets("g");
    return offsets && !offsets->empty() ? offsets->front().offset.value : -1;
  }
  /// Ends the subscription, which commits.
  void end() {
    const auto ended = readers_.back().unsubscribe(patience);
    ASSERT_TRUE(ended) << ended.error().to_string();
  }

  Batches batches_;
  std::mutex mutex_;
  std::condition_variable failed_;
  std::vector<std::string> failures_;
  std::optional<Broker> broker_;
  std::vector<Subscriber> readers_;
};

TEST_F(SubscriptionInBatches, gets_whole_batches_while_there_are_enough_messages) {
  connect();
  publish(0, 499);
  read(note(), {.batch_size = 50, .batch_interval = 1h});
  EXPECT_TRUE(batches_.wait_for_rows(500));
  end();
  ASSERT_EQ(batches_.all().size(), 10u);
  Rows expected;
  for (int row = 0; row < 500; ++row) expected.push_back(row);
  EXPECT_EQ(batches_.all_rows(), expected);
  EXPECT_EQ(committed(), 500);
}

TEST_F(SubscriptionInBatches, gets_a_smaller_batch_once_its_interval_has_passed) {
  connect();
  publish(0, 4);
  read(note(), {.batch_size = 3, .batch_interval = 20ms});
  EXPECT_TRUE(batches_.wait_for_rows(5));
  end();
  EXPECT_THAT(batches_.all_rows(), ElementsAre(0, 1, 2, 3, 4));
  for (const Rows& each : batches_.all()) EXPECT_LE(each.size(), 3u);
  EXPECT_EQ(committed(), 5);
}

TEST_F(SubscriptionInBatches, larger_than_its_queue_gets_whole_batches) {
  connect({.queue_capacity = 4});
  publish(0, 299);
  read(note(), {.concurrency = 2, .batch_size = 100, .batch_interval = 1h});
  EXPECT_TRUE(batches_.wait_for_rows(300));
  EXPECT_EQ(batches_.all().size(), 3u);
}

TEST_F(SubscriptionInBatches, acknowledges_events_that_the_handler_leaves_and_retries_nacked_ones) {
  connect();
  publish(0, 3);
  std::atomic<int> nacks{0};
  read(
      [&](std::span<Event<Strike>> batch) {
        batches_.add(batch);
        for (Event<Strike>& each : batch) {
          if (each->row != 2 || each.attempt() > 1) continue;
          ++nacks;
          EXPECT_TRUE(each.nack());
        }
      },
      {.batch_size = 4, .batch_interval = 10ms, .retry_delay = 1ms});
  EXPECT_TRUE(batches_.wait_for_rows(5));
  end();
  EXPECT_EQ(nacks, 1);
  EXPECT_EQ(batches_.all_rows().back(), 2);
  EXPECT_THAT(failures(), IsEmpty()) << "its retry succeeded";
  EXPECT_EQ(committed(), 4);
}

TEST_F(SubscriptionInBatches, that_fails_gives_the_unacknowledged_events_to_the_failure_policy) {
  connect();
  publish(0, 2);
  read(
      [&](std::span<Event<Strike>> batch) -> Result<void> {
        batches_.add(batch);
        if (auto acked = batch[0].ack(); !acked) return acked;
        return fail(Error::client(Errc::handler_failed, "no ink"));
      },
      {.batch_size = 3,
       .batch_interval = 1h,
       .max_retries = 0,
       .failure_policy = FailurePolicy::skip});
  EXPECT_TRUE(wait_for_failures(2));
  end();
  const auto told = failures();
  ASSERT_EQ(told.size(), 2u);
  EXPECT_THAT(told[0], HasSubstr("1: "));
  EXPECT_THAT(told[1], HasSubstr("2: "));
  EXPECT_THAT(told[1], HasSubstr("no ink"));
  EXPECT_EQ(committed(), 3);
}

TEST_F(SubscriptionInBatches, whose_handler_throws_fails_like_one_that_returns_an_error) {
  connect();
  publish(0, 0);
  read([](std::span<Event<Strike>>) { throw std::runtime_error("thrown"); },
       {.batch_interval = 0ms, .max_retries = 0});
  EXPECT_TRUE(wait_for_failures(1));
  EXPECT_THAT(failures().front(), HasSubstr("thrown"));
}

TEST_F(SubscriptionInBatches, leaves_out_messages_that_cannot_be_decoded) {
  connect();
  publish(0, 0);
  ASSERT_TRUE(broker_->publish("t", "no JSON"));
  publish(2, 2);
  read(note(), {.batch_size = 3, .batch_interval = 1h, .failure_policy = FailurePolicy::skip});
  EXPECT_TRUE(batches_.wait_for_rows(2));
  EXPECT_TRUE(wait_for_failures(1));
  end();
  EXPECT_THAT(batches_.all(), ElementsAre(Rows{0, 2}));
  EXPECT_THAT(failures().front(), HasSubstr("1: "));
  EXPECT_EQ(committed(), 3);
}

TEST_F(SubscriptionInBatches, keeps_events_that_the_handler_moves_out) {
  connect();
  publish(0, 1);
  std::vector<Event<Strike>> kept;
  read(
      [&](std::span<Event<Strike>> batch) {
        batches_.add(batch);
        for (Event<Strike>& each : batch) kept.push_back(std::move(each));
      },
      {.auto_ack = false, .batch_size = 2, .batch_interval = 1h});
  ASSERT_TRUE(batches_.wait_for_rows(2));
  end();
  EXPECT_LE(committed(), 0) << "nothing was acknowledged";
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[1]->row, 1);
  const auto late = kept[1].ack();
  ASSERT_FALSE(late);
  EXPECT_TRUE(late.error().is(Errc::not_owner)) << late.error().to_string();
}

TEST_F(SubscriptionInBatches, accepts_raw_events_and_options_as_functions) {
  connect();
  publish(0, 1);
  std::atomic<std::size_t> seen{0};
  auto reader = broker_->subscribe_batch(
      "t",
      [&](std::span<RawEvent> batch) -> Result<void> {
        seen += batch.size();
        seen.notify_all();
        return {};
      },
      with_group_id("raw"), with_subscribe_batch_size(2), with_subscribe_batch_interval(1h));
  ASSERT_TRUE(reader) << reader.error().to_string();
  seen.wait(0);
  EXPECT_EQ(seen, 2u);
}

TEST_F(SubscriptionInBatches, delivers_the_messages_of_an_unfinished_batch_again_after_its_end) {
  connect();
  publish(0, 1);
  read(note(), {.batch_size = 10, .batch_interval = 24h});
  ASSERT_TRUE(readers_.back().wait_ready(patience));
  end();
  EXPECT_THAT(batches_.all(), IsEmpty());
  read(note(), {.batch_size = 2, .batch_interval = 24h});
  EXPECT_TRUE(batches_.wait_for_rows(2));
  EXPECT_THAT(batches_.all(), ElementsAre(Rows{0, 1}));
}

TEST_F(SubscriptionInBatches, gives_up_a_partition_while_a_batch_fills) {
  connect();
  ASSERT_TRUE(kafka::create_topic(*broker_, "two", 2, 1));
  const auto read_two = [&](std::size_t size) {
    auto reader = broker_->subscribe_batch<Strike>(
        "two", note(), {.group_id = "g2", .batch_size = size, .batch_interval = 24h});
    ASSERT_TRUE(reader) << reader.error().to_string();
    readers_.push_back(std::move(*reader));
  };
  read_two(10);
  ASSERT_TRUE(readers_.back().wait_ready(patience));
  for (const int row : {0, 1}) {
    ASSERT_TRUE(
        broker_->publish("two", Strike{"A", row}, {.partition = PartitionId{row}, .async = false}));
  }
  read_two(1);
  // Its share is one of the partitions, whose message the first member does not keep.
  EXPECT_TRUE(batches_.wait_for_rows(1));
  EXPECT_EQ(batches_.all().size(), 1u);
}

TEST_F(SubscriptionInBatches, does_not_wait_beyond_max_unacknowledged) {
  connect();
  publish(0, 5);
  read(note(), {.batch_size = 100, .batch_interval = 24h, .max_unacknowledged = 2});
  EXPECT_TRUE(batches_.wait_for_rows(6));
  EXPECT_THAT(batches_.all(), ElementsAre(Rows{0, 1}, Rows{2, 3}, Rows{4, 5}));
}

TEST_F(SubscriptionInBatches, shows_each_message_to_middlewares_before_its_batch) {
  std::atomic<int> passed{0};
  const auto gate = [&](SubscribeHandler next) -> SubscribeHandler {
    return [&passed, next](RawEvent& event) -> Result<void> {
      if (event.offset() == Offset{1}) return event.ack();
      if (event.offset() == Offset{2}) return fail(Error::client(Errc::handler_failed, "refused"));
      auto entered = next(event);
      if (entered) ++passed;
      return entered;
    };
  };
  connect({.subscribe_middlewares = {gate}});
  publish(0, 3);
  read(
      [&](std::span<Event<Strike>> batch) -> Result<void> {
        batches_.add(batch);
        EXPECT_EQ(passed, 2) << "a middleware waits for the handler";
        return {};
      },
      {.batch_size = 4,
       .batch_interval = 1h,
       .max_retries = 0,
       .failure_policy = FailurePolicy::skip});
  EXPECT_TRUE(batches_.wait_for_rows(2));
  EXPECT_TRUE(wait_for_failures(1));
  end();
  EXPECT_THAT(batches_.all(), ElementsAre(Rows{0, 3}));
  EXPECT_THAT(failures().front(), HasSubstr("refused"));
  EXPECT_EQ(committed(), 4);
  const auto taken = broker_->metrics();
  EXPECT_EQ(taken.value("dohle_handled_messages_total", {{"topic", "t"}, {"outcome", "ok"}}), 2);
}

TEST_F(SubscriptionInBatches, leaves_out_filtered_messages) {
  connect();
  publish(0, 3);
  read(note(), {.batch_size = 4, .batch_interval = 1h, .filter = [](const RawEvent& event) {
                  return event.offset() == Offset{2};
                }});
  EXPECT_TRUE(batches_.wait_for_rows(1));
  end();
  EXPECT_THAT(batches_.all(), ElementsAre(Rows{2}));
  EXPECT_EQ(committed(), 4);
  EXPECT_EQ(broker_->metrics().value("dohle_filtered_messages_total", {{"topic", "t"}}), 3);
}

TEST_F(SubscriptionInBatches, stores_failed_events_among_the_dead_letters) {
  connect();
  publish(0, 2);
  Batches dead;
  read(
      [&](std::span<Event<Strike>> batch) {
        (void)batch[1].nack(permanent(Error::client(Errc::handler_failed, "never")));
        batches_.add(batch);
      },
      {.batch_size = 3, .batch_interval = 1h, .failure_policy = FailurePolicy::dead_letter});
  auto letters = broker_->subscribe_batch<Strike>(
      "t.g.dlt", [&](std::span<Event<Strike>> batch) { dead.add(batch); },
      {.batch_interval = 0ms, .start_offset = StartOffset::first()});
  ASSERT_TRUE(letters) << letters.error().to_string();
  EXPECT_TRUE(dead.wait_for_rows(1));
  end();
  EXPECT_THAT(dead.all_rows(), ElementsAre(1));
  EXPECT_EQ(committed(), 3);
}

TEST_F(SubscriptionInBatches, has_a_span_for_each_batch_with_links_to_its_messages) {
  const auto spans = std::make_shared<RecordedSpans>();
  connect({.tracer = *make_tracer({.exporter = spans})});
  publish(0, 1);
  read(note(), {.batch_size = 2, .batch_interval = 1h});
  const auto processed = spans->named("process t");
  const auto sent = spans->named("send t", 2);
  ASSERT_EQ(processed.size(), 1u);
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(value_of(processed[0], "messaging.batch.message_count"),
            AttributeValue(std::int64_t{2}));
  EXPECT_THAT(processed[0].links,
              testing::UnorderedElementsAre(
                  testing::Field(&TraceContext::span_id, sent[0].context.span_id),
                  testing::Field(&TraceContext::span_id, sent[1].context.span_id)));
}

TEST(ServerWithBatches, subscribes_at_its_start) {
  Batches batches;
  Server server({.broker = {.addresses = {"embedded:memory"}, .group_id = "g"}});
  ASSERT_TRUE(server.register_batch_subscriber<Strike>(
      "t", [&](std::span<Event<Strike>> batch) { batches.add(batch); },
      with_subscribe_batch_size(2), with_subscribe_batch_interval(1h),
      kafka::with_subscribe_auto_create_topic("t", 1, 1)));
  ASSERT_TRUE(server.start());
  for (const int row : {0, 1}) ASSERT_TRUE(server.broker()->publish("t", Strike{"A", row}));
  EXPECT_TRUE(batches.wait_for_rows(2));
  EXPECT_TRUE(server.stop());
  EXPECT_THAT(batches.all(), ElementsAre(Rows{0, 1}));
}

TEST_F(SubscriptionInBatches, refuses_options_that_have_no_meaning) {
  connect();
  const auto single = broker_->subscribe("t", [](RawEvent) {}, with_subscribe_batch_size(5));
  ASSERT_FALSE(single);
  EXPECT_EQ(single.error().message(), "batch_size is set; it is allowed with subscribe_batch only");
  const auto interval =
      broker_->subscribe("t", [](RawEvent) {}, with_subscribe_batch_interval(5ms));
  ASSERT_FALSE(interval);
  EXPECT_EQ(interval.error().message(),
            "batch_interval is set; it is allowed with subscribe_batch only");
  const auto large = broker_->subscribe_batch("t", [](std::span<RawEvent>) {},
                                              {.concurrency = 10, .batch_size = 50'001});
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().message(),
            "batch_size times concurrency is 500010; allowed are 1 to 500000");
}

}  // namespace
}  // namespace dohle
