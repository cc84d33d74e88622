// dohle::testing as users' tests see it.
#include <dohle/kafka.hpp>
#include <dohle/testing.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using dohle::Broker;
using dohle::Errc;
using dohle::Error;
using dohle::Failure;
using dohle::Offset;
using dohle::PartitionId;
using dohle::RawEvent;
using dohle::Result;
using dohle::SubscribeOptions;
using dohle::testing::Environment;
using dohle::testing::EnvironmentOptions;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Clock = std::chrono::system_clock;

const Error no_water = Error::client(Errc::handler_failed, "no water");

/// The items that handlers and error handlers got, on any thread.
template <class Item>
class Seen {
 public:
  void add(Item item) {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(item));
  }
  std::vector<Item> all() const {
    const std::lock_guard lock(mutex_);
    return items_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Item> items_;
};

class EnvironmentTest : public ::testing::Test {
 protected:
  /// Starts it, with a Broker that keeps its failures.
  void start(EnvironmentOptions options = {}, dohle::kafka::BrokerOptions of_broker = {}) {
    environment_.emplace(Environment::start(std::move(options)).value());
    of_broker.error_handler = [this](const Failure& failure) {
      failures_.add(failure.error.to_string());
    };
    broker_.emplace(environment_->connect(std::move(of_broker)).value());
  }
  /// The broker's subscription to a topic, whose bodies are noted.
  dohle::Subscriber subscribe(const std::string& topic, SubscribeOptions options) {
    return broker_
        ->subscribe(
            topic, [this](const RawEvent& event) { bodies_.add(std::string(*event.body())); },
            std::move(options))
        .value();
  }
  void publish(const std::string& topic, const std::string& body) {
    broker_->publish(topic, body).value();
  }
  void start_with_a_message_that_cannot_be_sent() {
    start();
    publish("orders", "before");
    ASSERT_TRUE(broker_->flush());
    ASSERT_TRUE(environment_->refuse_connections());
    ASSERT_TRUE(environment_->drop_connections());
    publish("orders", "tea");
  }

  Seen<std::string> bodies_;
  Seen<std::string> failures_;
  std::optional<Environment> environment_;
  std::optional<Broker> broker_;
};

// Waiting.

TEST_F(EnvironmentTest, waits_until_a_subscriber_has_handled_all_messages) {
  start();
  const auto orders = subscribe("orders", {.group_id = "kitchen"});
  for (int i = 0; i < 100; ++i) publish("orders", std::to_string(i));
  ASSERT_TRUE(environment_->wait_handled(orders));
  EXPECT_THAT(bodies_.all(), SizeIs(100));
}

TEST_F(EnvironmentTest, waits_until_a_group_has_committed_all_messages) {
  start({.partitions = 3});
  const auto one = subscribe("orders", {.group_id = "kitchen"});
  const auto other = subscribe("orders", {.group_id = "kitchen"});
  // The first member learns of the second one by a heartbeat.
  ASSERT_TRUE(environment_->advance(5s));
  for (int i = 0; i < 100; ++i) {
    broker_->publish("orders", std::to_string(i), {.key = std::to_string(i)}).value();
  }
  ASSERT_TRUE(environment_->wait_handled("kitchen"));
  EXPECT_THAT(bodies_.all(), SizeIs(100));
  auto committed = broker_->client().value().admin().group_offsets("kitchen").value();
  std::int64_t sum = 0;
  for (const auto& each : committed) sum += each.offset.value;
  EXPECT_EQ(sum, 100);
}

TEST_F(EnvironmentTest, waits_for_a_subscriber_without_a_group) {
  start();
  publish("orders", "before");
  const auto orders = subscribe("orders", {.start_offset = dohle::StartOffset::first()});
  publish("orders", "after");
  ASSERT_TRUE(environment_->wait_handled(orders));
  EXPECT_THAT(bodies_.all(), ElementsAre("before", "after"));
}

TEST_F(EnvironmentTest, waits_for_messages_that_a_handler_publishes) {
  start();
  const auto billed = subscribe("bills", {.group_id = "billing"});
  const auto orders = broker_
                          ->subscribe("orders",
                                      [&](const RawEvent& event) {
                                        publish("bills", "bill of " + std::string(*event.body()));
                                      },
                                      {.group_id = "kitchen"})
                          .value();
  publish("orders", "tea");
  ASSERT_TRUE(environment_->wait_handled(orders));
  ASSERT_TRUE(environment_->wait_handled(billed));
  EXPECT_THAT(bodies_.all(), ElementsAre("bill of tea"));
}

TEST_F(EnvironmentTest, names_the_messages_that_a_group_has_not_handled_and_the_reason) {
  start();
  const auto orders = broker_
                          ->subscribe("orders",
                                      [](const RawEvent& event) -> Result<void> {
                                        if (*event.body() == "tea") return {};
                                        return dohle::fail(no_water);
                                      },
                                      {.group_id = "kitchen", .max_retries = 0})
                          .value();
  publish("orders", "tea");
  publish("orders", "coffee");
  publish("orders", "soup");
  for (const auto& waited : {environment_->wait_handled("kitchen", {.timeout = 300ms}),
                             environment_->wait_handled(orders, {.timeout = 300ms})}) {
    ASSERT_FALSE(waited);
    EXPECT_TRUE(waited.error().is(Errc::timed_out));
    EXPECT_THAT(waited.error().to_string(),
                AllOf(HasSubstr("orders-0: offsets 1 to 2"),
                      HasSubstr("orders-0 is held at offset 1"), HasSubstr("no water")));
  }
}

TEST_F(EnvironmentTest, reports_a_group_without_members) {
  start();
  const auto waited = environment_->wait_handled("nobody", {.timeout = 10ms});
  ASSERT_FALSE(waited);
  EXPECT_THAT(waited.error().to_string(),
              AllOf(HasSubstr("group nobody"), HasSubstr("it has no members")));
}

TEST_F(EnvironmentTest, keeps_failures_for_the_next_flush) {
  start();
  ASSERT_TRUE(environment_->fail_next_produce(29));
  publish("orders", "tea");
  const auto orders = subscribe("orders", {.group_id = "kitchen"});
  ASSERT_TRUE(environment_->wait_handled(orders));
  EXPECT_EQ(broker_->flush().value().failed, 1U);
}

// Topics.

TEST_F(EnvironmentTest, creates_topics_on_first_use) {
  start({.partitions = 4});
  publish("published", "tea");
  const auto orders = subscribe("subscribed", {.group_id = "kitchen"});
  ASSERT_TRUE(environment_->wait_handled(orders));
  auto described =
      broker_->client().value().admin().describe_topics({"published", "subscribed"}).value();
  for (const auto& topic : described) EXPECT_THAT(topic.result.value().partitions, SizeIs(4));
}

TEST_F(EnvironmentTest, creates_no_topics_if_asked_not_to) {
  start({.create_topics = false});
  const auto sent = broker_->publish("orders", "tea", {.async = false, .timeout = 100ms});
  ASSERT_FALSE(sent);
  EXPECT_THAT(broker_->client().value().admin().list_topics().value(), IsEmpty());
}

TEST_F(EnvironmentTest, is_shared_by_brokers_that_name_its_address) {
  start();
  auto other = dohle::kafka::new_broker(dohle::with_address(environment_->address())).value();
  ASSERT_TRUE(other.connect());
  const auto orders = subscribe("orders", {.group_id = "kitchen"});
  other.publish("orders", "tea").value();
  ASSERT_TRUE(environment_->wait_handled(orders));
  EXPECT_THAT(bodies_.all(), ElementsAre("tea"));
}

TEST_F(EnvironmentTest, ends_with_its_last_broker) {
  start();
  environment_.reset();
  ASSERT_TRUE(broker_->publish("orders", "tea", {.async = false}));
}

TEST_F(EnvironmentTest, has_a_node_of_its_own) {
  start();
  publish("orders", "tea");
  auto other = Environment::start().value();
  EXPECT_NE(other.address(), environment_->address());
  auto broker = other.connect().value();
  EXPECT_THAT(broker.client().value().admin().list_topics().value(), IsEmpty());
  const auto before = environment_->now();
  ASSERT_TRUE(other.advance(1h));
  EXPECT_GE(environment_->now() - before, 1h) << "environments share their time";
}

// Time.

struct Attempt {
  int number = 0;
  std::string topic;
  Clock::time_point at;
};

TEST_F(EnvironmentTest, retries_a_message_when_its_time_has_come) {
  start();
  Seen<Attempt> attempts;
  const auto orders = broker_
                          ->subscribe("orders",
                                      [&](const RawEvent& event) -> Result<void> {
                                        attempts.add({event.attempt(), std::string(event.topic()),
                                                      environment_->now()});
                                        if (event.attempt() < 4) return dohle::fail(no_water);
                                        return {};
                                      },
                                      {.group_id = "kitchen",
                                       .max_retries = 3,
                                       .retry_delay = 1min,
                                       .max_retry_delay = 4min})
                          .value();
  publish("orders", "tea");
  ASSERT_TRUE(environment_->advance(59s));
  EXPECT_THAT(attempts.all(), SizeIs(1));
  ASSERT_TRUE(environment_->advance(10min));
  ASSERT_TRUE(environment_->wait_handled("kitchen"));
  const auto all = attempts.all();
  ASSERT_THAT(all, SizeIs(4));
  for (int i = 1; i < 4; ++i) {
    const auto waited =
        all[static_cast<std::size_t>(i)].at - all[static_cast<std::size_t>(i) - 1].at;
    EXPECT_GE(waited, 1min * (1 << (i - 1)));
    EXPECT_LT(waited, 90s * (1 << (i - 1)));
  }
}

TEST_F(EnvironmentTest, moves_the_time_so_that_messages_pass_retry_topics_to_the_dead_letters) {
  start();
  Seen<Attempt> attempts;
  const auto orders = broker_
                          ->subscribe("orders",
                                      [&](const RawEvent& event) -> Result<void> {
                                        attempts.add({event.attempt(), std::string(event.topic()),
                                                      environment_->now()});
                                        return dohle::fail(no_water);
                                      },
                                      {.group_id = "kitchen",
                                       .max_retries = 0,
                                       .retry_topics = {10min, 2h},
                                       .failure_policy = dohle::FailurePolicy::dead_letter})
                          .value();
  publish("orders", "tea");
  ASSERT_TRUE(environment_->wait_handled(orders));
  EXPECT_THAT(attempts.all(), SizeIs(1));
  EXPECT_FALSE(environment_->wait_handled(orders, {.timeout = 50ms, .retry_topics = true}));
  ASSERT_TRUE(environment_->advance(9min));
  EXPECT_THAT(attempts.all(), SizeIs(1));
  ASSERT_TRUE(environment_->advance(2min));
  EXPECT_THAT(attempts.all(), SizeIs(2));
  ASSERT_TRUE(environment_->advance(2h));
  ASSERT_TRUE(environment_->wait_handled("kitchen", {.retry_topics = true}));
  const auto all = attempts.all();
  ASSERT_THAT(all, SizeIs(3));
  EXPECT_EQ(all[1].topic, "orders.kitchen.retry.10m");
  EXPECT_GE(all[1].at - all[0].at, 10min);
  EXPECT_EQ(all[2].topic, "orders.kitchen.retry.120m");
  EXPECT_GE(all[2].at - all[1].at, 2h);
  const auto letters = subscribe("orders.kitchen.dlt", {.group_id = "letters"});
  ASSERT_TRUE(environment_->wait_handled(letters));
  EXPECT_THAT(bodies_.all(), ElementsAre("tea"));
}

TEST_F(EnvironmentTest, keeps_sessions_alive_while_it_moves_the_time) {
  start({.partitions = 2});
  const auto one = subscribe("orders", {.group_id = "kitchen"});
  const auto other = subscribe("orders", {.group_id = "kitchen"});
  ASSERT_TRUE(environment_->advance(5s));
  publish("orders", "tea");
  ASSERT_TRUE(environment_->wait_handled("kitchen"));
  auto admin = broker_->client().value().admin();
  const auto members = [&] {
    std::vector<std::string> ids;
    const auto described = admin.describe_groups({"kitchen"}).value();
    for (const auto& member : described.front().result.value().members) {
      ids.push_back(member.member_id);
    }
    return ids;
  };
  const auto before = members();
  ASSERT_THAT(before, SizeIs(2));
  // The session lasts 45 s, max.poll.interval 5 min.
  ASSERT_TRUE(environment_->advance(10min));
  EXPECT_EQ(members(), before);
  EXPECT_THAT(failures_.all(), IsEmpty());
  publish("orders", "coffee");
  ASSERT_TRUE(environment_->wait_handled("kitchen"));
  EXPECT_THAT(bodies_.all(), ElementsAre("tea", "coffee"));
}

TEST_F(EnvironmentTest, reports_a_missing_acknowledgement_when_its_time_has_come) {
  start();
  std::vector<RawEvent> events;
  const auto orders =
      broker_
          ->subscribe("orders", [&](RawEvent event) { events.push_back(std::move(event)); },
                      {.group_id = "kitchen", .auto_ack = false, .ack_timeout = 1min})
          .value();
  publish("orders", "tea");
  ASSERT_TRUE(environment_->advance(30s));
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_THAT(failures_.all(), IsEmpty());
  ASSERT_TRUE(environment_->advance(31s));
  EXPECT_THAT(failures_.all(), Contains(HasSubstr("not acknowledged within ack_timeout")));
  ASSERT_TRUE(events.front().ack());
  ASSERT_TRUE(environment_->wait_handled("kitchen"));
}

TEST_F(EnvironmentTest, hands_out_a_batch_when_its_interval_has_passed) {
  start();
  Seen<std::size_t> sizes;
  const auto orders =
      broker_
          ->subscribe_batch("orders", [&](std::span<RawEvent> batch) { sizes.add(batch.size()); },
                            {.group_id = "kitchen", .batch_size = 50, .batch_interval = 1min})
          .value();
  for (int i = 0; i < 3; ++i) publish("orders", "tea");
  ASSERT_TRUE(environment_->advance(50s));
  EXPECT_THAT(sizes.all(), IsEmpty());
  ASSERT_TRUE(environment_->advance(11s));
  EXPECT_THAT(sizes.all(), ElementsAre(3U));
}

TEST_F(EnvironmentTest, reports_the_lag_once_each_interval) {
  Seen<std::int64_t> lags;
  dohle::kafka::BrokerOptions options;
  options.read_lag_interval = 1min;
  options.read_lag_handler = [&](const dohle::ReadLag& lag) { lags.add(lag.total()); };
  start({}, std::move(options));
  const auto orders = subscribe("orders", {.group_id = "kitchen"});
  ASSERT_TRUE(environment_->wait_handled(orders));
  const std::size_t before = lags.all().size();
  ASSERT_TRUE(environment_->advance(10min + 30s));
  EXPECT_EQ(lags.all().size() - before, 10U);
}

TEST_F(EnvironmentTest, commits_when_the_interval_has_passed) {
  dohle::kafka::BrokerOptions options;
  options.commit_interval = 1min;
  start({}, std::move(options));
  const auto orders = subscribe("orders", {.group_id = "kitchen"});
  publish("orders", "tea");
  ASSERT_TRUE(environment_->wait_handled(orders));
  // The first commit starts at once. It may be that of the position before "tea".
  ASSERT_TRUE(environment_->wait_idle());
  publish("orders", "coffee");
  ASSERT_TRUE(environment_->wait_handled(orders));
  EXPECT_FALSE(environment_->wait_handled("kitchen", {.timeout = 50ms}));
  ASSERT_TRUE(environment_->advance(61s));
  EXPECT_TRUE(environment_->wait_handled("kitchen"));
}

TEST_F(EnvironmentTest, finds_the_new_topics_of_a_pattern_when_the_interval_has_passed) {
  start();
  auto reader =
      broker_
          ->subscribe(dohle::kafka::pattern("orders\\..*"),
                      [this](const RawEvent& event) {
                        bodies_.add(std::string(event.topic()) + ": " + std::string(*event.body()));
                      },
                      {.group_id = "kitchen", .retry_topics = {1s}})
          .value();
  ASSERT_TRUE(reader.wait_ready(10s));
  publish("orders.hot", "tea");
  ASSERT_TRUE(environment_->advance(1s));
  EXPECT_THAT(bodies_.all(), IsEmpty());
  // A look that is under way, and the preparation of retry topics, are work that it waits for.
  ASSERT_TRUE(environment_->advance(10s));
  EXPECT_THAT(bodies_.all(), ElementsAre("orders.hot: tea"));
}

TEST_F(EnvironmentTest, publishes_when_the_batch_timeout_has_passed) {
  dohle::kafka::BrokerOptions options;
  options.batch_timeout = 30s;
  start({}, std::move(options));
  const auto delivery = broker_->publish("orders", "tea").value();
  ASSERT_TRUE(environment_->advance(29s));
  EXPECT_FALSE(delivery.is_done());
  ASSERT_TRUE(environment_->advance(2s));
  EXPECT_TRUE(delivery.is_done());
}

TEST_F(EnvironmentTest, moves_the_times_of_records) {
  start();
  const auto before = broker_->publish("orders", "tea", {.async = false}).value().get().value();
  ASSERT_TRUE(environment_->advance(1h));
  const auto after = broker_->publish("orders", "tea", {.async = false}).value().get().value();
  EXPECT_GE(after.timestamp.value - before.timestamp.value, 3'600'000);
}

TEST_F(EnvironmentTest, names_a_handler_that_blocks) {
  start({.idle_timeout = 100ms});
  std::binary_semaphore may_end{0};
  std::binary_semaphore is_inside{0};
  const auto orders = broker_
                          ->subscribe("orders",
                                      [&](const RawEvent&) {
                                        is_inside.release();
                                        may_end.acquire();
                                      },
                                      {.group_id = "kitchen"})
                          .value();
  publish("orders", "tea");
  is_inside.acquire();
  const auto moved = environment_->advance(1min);
  const auto idle = environment_->wait_idle();
  const auto waited = environment_->wait_handled("kitchen", {.timeout = 100ms});
  may_end.release();
  for (const auto& each : {moved, idle, waited}) {
    ASSERT_FALSE(each);
    EXPECT_TRUE(each.error().is(Errc::timed_out));
    EXPECT_THAT(each.error().to_string(), HasSubstr("the handler of orders-0 at offset 0"));
  }
  EXPECT_TRUE(environment_->wait_handled("kitchen"));
}

// Faults.

TEST_F(EnvironmentTest, fails_the_next_produce_with_the_code) {
  start();
  ASSERT_TRUE(environment_->fail_next_produce(29));
  EXPECT_EQ(environment_->faults_left(), 1U);
  const auto refused = broker_->publish("orders", "tea", {.async = false});
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is_broker(29)) << refused.error().to_string();
  EXPECT_EQ(environment_->faults_left(), 0U);
  EXPECT_TRUE(broker_->publish("orders", "tea", {.async = false}));
}

TEST_F(EnvironmentTest, fails_produces_of_one_topic) {
  start();
  ASSERT_TRUE(environment_->fail_next_produce(29, {.topic = "bills"}));
  EXPECT_TRUE(broker_->publish("orders", "tea", {.async = false}));
  EXPECT_FALSE(broker_->publish("bills", "tea", {.async = false}));
}

TEST_F(EnvironmentTest, retries_a_failed_produce_when_its_backoff_has_passed) {
  start();
  ASSERT_TRUE(environment_->fail_next_produce(19, {.count = 3}));
  const auto delivery = broker_->publish("orders", "tea").value();
  ASSERT_TRUE(environment_->advance(20s));
  EXPECT_EQ(environment_->faults_left(), 0U);
  ASSERT_TRUE(delivery.is_done());
  EXPECT_TRUE(delivery.wait(0ms));
}

TEST_F(EnvironmentTest, fails_the_next_commit_with_the_code) {
  start();
  const auto orders = subscribe("orders", {.group_id = "kitchen"});
  ASSERT_TRUE(environment_->wait_handled(orders));
  ASSERT_TRUE(environment_->fail_next_commit(28));
  publish("orders", "tea");
  ASSERT_TRUE(environment_->advance(5s));
  EXPECT_THAT(failures_.all(), ElementsAre(AllOf(HasSubstr("commit"), HasSubstr("28"))));
  EXPECT_EQ(environment_->faults_left(), 0U);
  // The next one has its offsets, too.
  ASSERT_TRUE(environment_->wait_handled("kitchen"));
}

TEST_F(EnvironmentTest, drops_connections) {
  start();
  const auto orders = subscribe("orders", {.group_id = "kitchen"});
  publish("orders", "tea");
  ASSERT_TRUE(environment_->wait_handled(orders));
  ASSERT_TRUE(environment_->drop_connections());
  ASSERT_TRUE(environment_->advance(10s));
  publish("orders", "coffee");
  ASSERT_TRUE(environment_->wait_handled("kitchen"));
  EXPECT_THAT(bodies_.all(), ElementsAre("tea", "coffee"));
}

TEST_F(EnvironmentTest, refuses_connections) {
  start();
  publish("orders", "before");
  ASSERT_TRUE(broker_->flush());
  ASSERT_TRUE(environment_->refuse_connections());
  ASSERT_TRUE(environment_->drop_connections());
  const auto late = broker_->publish("orders", "tea").value();
  ASSERT_TRUE(environment_->advance(1min));
  EXPECT_FALSE(late.is_done());
  // The delivery timeout is 2 min.
  ASSERT_TRUE(environment_->advance(2min));
  ASSERT_TRUE(late.is_done());
  EXPECT_FALSE(late.wait(0ms));
  ASSERT_TRUE(environment_->clear_faults());
  ASSERT_TRUE(environment_->advance(1min));
  EXPECT_TRUE(broker_->publish("orders", "coffee", {.async = false}));
}

TEST_F(EnvironmentTest, keeps_deadlines_of_waiting_calls_in_real_time) {
  ASSERT_NO_FATAL_FAILURE(start_with_a_message_that_cannot_be_sent());
  auto other = dohle::kafka::new_broker({.addresses = {environment_->address()}}).value();
  auto flushed = std::async(std::launch::async, [&] { return broker_->flush(60s); });
  // Waits for the metadata of a new topic, at most for max_block of 60 s.
  auto published = std::async(std::launch::async, [&] { return broker_->publish("bills", "tea"); });
  auto joined = std::async(std::launch::async, [&] { return other.connect(60s); });
  const auto are_waiting = [&](std::chrono::milliseconds time) {
    return flushed.wait_for(time) == std::future_status::timeout &&
           published.wait_for(0ms) == std::future_status::timeout &&
           joined.wait_for(0ms) == std::future_status::timeout;
  };
  EXPECT_TRUE(are_waiting(100ms));
  // Less than the delivery timeout of 2 min.
  ASSERT_TRUE(environment_->advance(90s));
  EXPECT_TRUE(are_waiting(100ms));
  ASSERT_TRUE(environment_->clear_faults());
  ASSERT_TRUE(environment_->advance(10s));
  const auto report = flushed.get();
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->failed, 0U);
  EXPECT_TRUE(published.get());
  EXPECT_TRUE(joined.get());
}

TEST_F(EnvironmentTest, ends_waiting_calls_at_their_real_deadlines) {
  ASSERT_NO_FATAL_FAILURE(start_with_a_message_that_cannot_be_sent());
  auto other = dohle::kafka::new_broker({.addresses = {environment_->address()}}).value();
  const auto flushed = broker_->flush(50ms);
  ASSERT_FALSE(flushed);
  EXPECT_TRUE(flushed.error().is(Errc::timed_out)) << flushed.error().to_string();
  const auto joined = other.connect(50ms);
  ASSERT_FALSE(joined);
  EXPECT_TRUE(joined.error().is(Errc::timed_out)) << joined.error().to_string();
  ASSERT_TRUE(environment_->clear_faults());
  ASSERT_TRUE(environment_->advance(10s));
  EXPECT_TRUE(broker_->flush());
}

TEST_F(EnvironmentTest, keeps_deadlines_of_topic_calls_in_real_time) {
  ASSERT_NO_FATAL_FAILURE(start_with_a_message_that_cannot_be_sent());
  auto created = std::async(
      std::launch::async, [&] { return dohle::kafka::create_topic(*broker_, "bills", 1, 1, 60s); });
  auto deleted = std::async(std::launch::async, [&] {
    return dohle::kafka::delete_topic(*broker_, std::vector<std::string>{"orders"}, 60s);
  });
  const auto are_waiting = [&](std::chrono::milliseconds time) {
    return created.wait_for(time) == std::future_status::timeout &&
           deleted.wait_for(0ms) == std::future_status::timeout;
  };
  EXPECT_TRUE(are_waiting(100ms));
  ASSERT_TRUE(environment_->advance(5min));
  EXPECT_TRUE(are_waiting(100ms));
  ASSERT_TRUE(environment_->clear_faults());
  ASSERT_TRUE(environment_->advance(10s));
  const auto made = created.get();
  EXPECT_TRUE(made) << made.error().to_string();
  const auto gone = deleted.get();
  ASSERT_TRUE(gone) << gone.error().to_string();
  EXPECT_TRUE(gone->at(0).result);
}

TEST_F(EnvironmentTest, ends_topic_calls_at_their_real_deadlines) {
  ASSERT_NO_FATAL_FAILURE(start_with_a_message_that_cannot_be_sent());
  const auto created = dohle::kafka::create_topic(*broker_, "bills", 1, 1, 50ms);
  ASSERT_FALSE(created);
  EXPECT_TRUE(created.error().is(Errc::timed_out)) << created.error().to_string();
  EXPECT_THAT(created.error().to_string(), HasSubstr("not done within 50 ms"));
  const auto deleted =
      dohle::kafka::delete_topic(*broker_, std::vector<std::string>{"orders"}, 50ms);
  ASSERT_TRUE(deleted) << deleted.error().to_string();
  EXPECT_TRUE(deleted->at(0).result.error().is(Errc::timed_out));
  ASSERT_TRUE(environment_->clear_faults());
  ASSERT_TRUE(environment_->advance(10s));
}

TEST_F(EnvironmentTest, keeps_the_deadline_of_a_disconnect_in_real_time) {
  ASSERT_NO_FATAL_FAILURE(start_with_a_message_that_cannot_be_sent());
  auto disconnected = std::async(std::launch::async, [&] { return broker_->disconnect(90s); });
  EXPECT_EQ(disconnected.wait_for(100ms), std::future_status::timeout);
  // Less than the delivery timeout of 2 min.
  ASSERT_TRUE(environment_->advance(100s));
  EXPECT_EQ(disconnected.wait_for(100ms), std::future_status::timeout);
  ASSERT_TRUE(environment_->clear_faults());
  ASSERT_TRUE(environment_->advance(10s));
  const auto report = disconnected.get();
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->failed, 0U);
}

TEST_F(EnvironmentTest, ends_a_disconnect_at_its_real_deadline) {
  ASSERT_NO_FATAL_FAILURE(start_with_a_message_that_cannot_be_sent());
  const auto report = broker_->disconnect(50ms);
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->failed, 1U);
}

TEST_F(EnvironmentTest, keeps_the_deadline_of_an_unsubscribe_in_real_time) {
  dohle::kafka::BrokerOptions options;
  // It bounds the wait for the dead-letter topic.
  options.write_timeout = 60s;
  start({}, std::move(options));
  std::promise<void> has_failed;
  auto orders = broker_
                    ->subscribe("orders",
                                [&, this](const RawEvent& event) -> Result<void> {
                                  if (*event.body() == "tea") {
                                    environment_->refuse_connections().value();
                                    environment_->drop_connections().value();
                                    has_failed.set_value();
                                  }
                                  return dohle::fail(no_water);
                                },
                                {.group_id = "kitchen",
                                 .max_retries = 0,
                                 .failure_policy = dohle::FailurePolicy::dead_letter})
                    .value();
  // The dead-letter topic is known.
  publish("orders", "coffee");
  ASSERT_TRUE(environment_->wait_handled(orders));
  publish("orders", "tea");
  has_failed.get_future().wait();
  auto ended = std::async(std::launch::async, [&] { return orders.unsubscribe(20s); });
  EXPECT_EQ(ended.wait_for(100ms), std::future_status::timeout);
  // Less than the session timeout of 45 s.
  ASSERT_TRUE(environment_->advance(30s));
  EXPECT_EQ(ended.wait_for(100ms), std::future_status::timeout);
  ASSERT_TRUE(environment_->clear_faults());
  ASSERT_TRUE(environment_->advance(10s));
  const auto outcome = ended.get();
  EXPECT_TRUE(outcome) << outcome.error().to_string();
  const auto again = subscribe("orders", {.group_id = "kitchen"});
  EXPECT_TRUE(environment_->wait_handled(again));
  EXPECT_THAT(bodies_.all(), IsEmpty()) << "both were stored in the dead-letter topic";
}

TEST_F(EnvironmentTest, keeps_the_deadline_of_a_request_in_real_time) {
  start();
  const auto questions = subscribe("questions", {.group_id = "readers"});
  ASSERT_TRUE(environment_->wait_handled(questions));
  std::stop_source source;
  auto asked = std::async(std::launch::async, [&] {
    return broker_->request<std::string>(
        "questions", "tea?", {.timeout = 60s, .create_reply_topic = dohle::ReplyTopicCreation{}},
        source.get_token());
  });
  while (bodies_.all().empty() && asked.wait_for(1ms) == std::future_status::timeout) {
  }
  ASSERT_TRUE(environment_->advance(2min));
  EXPECT_EQ(asked.wait_for(100ms), std::future_status::timeout);
  EXPECT_TRUE(source.request_stop());
  const auto ended = asked.get();
  ASSERT_FALSE(ended);
  EXPECT_TRUE(ended.error().is(Errc::cancelled)) << ended.error().to_string();
}

TEST_F(EnvironmentTest, lets_a_stop_end_a_flush_whose_failures_the_next_one_reports) {
  start();
  ASSERT_TRUE(broker_->publish("orders", "before", {.async = false}));
  ASSERT_TRUE(environment_->fail_next_produce(29, {.topic = "bills"}));
  ASSERT_FALSE(broker_->publish("bills", "tea", {.async = false}));
  ASSERT_TRUE(environment_->refuse_connections());
  ASSERT_TRUE(environment_->drop_connections());
  publish("orders", "tea");
  std::stop_source source;
  auto flushed =
      std::async(std::launch::async, [&] { return broker_->flush(60s, source.get_token()); });
  EXPECT_EQ(flushed.wait_for(10ms), std::future_status::timeout);
  EXPECT_TRUE(source.request_stop());
  const auto stopped = flushed.get();
  ASSERT_FALSE(stopped);
  EXPECT_TRUE(stopped.error().is(Errc::cancelled)) << stopped.error().to_string();
  EXPECT_TRUE(broker_->flush(60s, source.get_token()).error().is(Errc::cancelled));
  // The delivery timeout is 2 min.
  ASSERT_TRUE(environment_->advance(3min));
  const auto report = broker_->flush();
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->failed, 2U) << "that of the other producer is lost";
}

TEST_F(EnvironmentTest, refuses_the_given_number_of_connections) {
  start();
  ASSERT_TRUE(environment_->refuse_connections(2));
  ASSERT_TRUE(environment_->drop_connections());
  const auto delivery = broker_->publish("orders", "tea").value();
  ASSERT_TRUE(environment_->advance(1min));
  EXPECT_EQ(environment_->faults_left(), 0U);
  ASSERT_TRUE(delivery.is_done());
  EXPECT_TRUE(delivery.wait(0ms));
}

TEST_F(EnvironmentTest, delays_requests) {
  start();
  publish("orders", "before");
  ASSERT_TRUE(broker_->flush());
  ASSERT_TRUE(environment_->delay_requests(4s));
  const auto delivery = broker_->publish("orders", "tea").value();
  ASSERT_TRUE(environment_->advance(3s));
  EXPECT_FALSE(delivery.is_done());
  ASSERT_TRUE(environment_->advance(2s));
  EXPECT_TRUE(delivery.is_done());
}

// Errors.

TEST_F(EnvironmentTest, refuses_invalid_arguments) {
  start();
  const auto is_refused = [](const Result<void>& result, const std::string& words) {
    return !result && result.error().is(Errc::invalid_argument) &&
           result.error().to_string().contains(words);
  };
  EXPECT_TRUE(is_refused(environment_->advance(-1ms), "-1 ms"));
  EXPECT_TRUE(is_refused(environment_->delay_requests(-1ms), "-1 ms"));
  EXPECT_TRUE(is_refused(environment_->fail_next_produce(0), "the code is 0"));
  EXPECT_TRUE(is_refused(environment_->fail_next_produce(9'999), "9999"));
  EXPECT_TRUE(is_refused(environment_->fail_next_produce(29, {.count = 0}), "the count is 0"));
  EXPECT_TRUE(is_refused(environment_->fail_next_commit(0), "the code is 0"));
  EXPECT_TRUE(is_refused(environment_->fail_next_commit(28, 0), "the count is 0"));
  const auto none = Environment::start({.partitions = 0});
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().to_string(), HasSubstr("partitions is 0; allowed are 1 to 1000"));
  const auto hurried = Environment::start({.idle_timeout = 0ms});
  ASSERT_FALSE(hurried);
  EXPECT_THAT(hurried.error().to_string(), HasSubstr("idle_timeout is 0 ms"));
}

TEST_F(EnvironmentTest, returns_closed_after_it_was_moved_from) {
  start();
  Environment moved = std::move(*environment_);
  EXPECT_THAT(environment_->address(), IsEmpty());
  EXPECT_TRUE(environment_->advance(1s).error().is(Errc::closed));
  EXPECT_TRUE(environment_->connect().error().is(Errc::closed));
  EXPECT_TRUE(environment_->wait_handled("kitchen").error().is(Errc::closed));
  EXPECT_TRUE(environment_->drop_connections().error().is(Errc::closed));
  EXPECT_TRUE(moved.advance(1s));
}

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if !defined(__SANITIZE_THREAD__) && !__has_feature(thread_sanitizer)
// The thread sanitizer allows no threads after a fork.
TEST_F(EnvironmentTest, returns_forked_in_a_child_which_may_start_its_own) {
  start();
  publish("orders", "tea");
  ASSERT_TRUE(environment_->wait_idle());
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    const auto is_forked = [](const auto& result) {
      return !result && result.error().is(Errc::forked);
    };
    bool is_so = is_forked(environment_->advance(1s)) && is_forked(environment_->connect()) &&
                 is_forked(environment_->wait_handled("kitchen")) &&
                 is_forked(environment_->fail_next_produce(10)) && environment_->faults_left() == 0;
    environment_.reset();
    broker_.reset();
    start();
    const auto subscriber = subscribe("orders", {.group_id = "kitchen"});
    publish("orders", "coffee");
    is_so = is_so && environment_->wait_handled(subscriber) && environment_->advance(1min);
    ::_exit(is_so && bodies_.all() == std::vector<std::string>{"coffee"} ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(environment_->advance(1s));
}
#endif

}  // namespace
