// Options of reading, broker-wide and of one subscription, and those that only a subscription has.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "dohle/admin.hpp"
#include "options_fixture.hpp"
#include "wire/messages/fetch.hpp"
#include "wire/messages/heartbeat.hpp"
#include "wire/messages/join_group.hpp"
#include "wire/messages/leave_group.hpp"
#include "wire/messages/offset_commit.hpp"

namespace dohle {
namespace {

using std::chrono::steady_clock;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const auto ignore = [](RawEvent) {};
const auto first = StartOffset::first();

/// The offset that group "g" has committed of partition 0; none if it has not.
std::optional<std::int64_t> committed_at(const std::string& address) {
  auto client = Client::create({.bootstrap_servers = {address}});
  EXPECT_TRUE(client && client->connect(patience));
  const auto offsets = client->admin().group_offsets("g");
  EXPECT_TRUE(offsets) << offsets.error().to_string();
  for (const GroupOffset& each : *offsets) {
    if (each.partition.partition == PartitionId{0}) return each.offset.value;
  }
  return std::nullopt;
}

TEST_P(ReadingOption, group_id_is_the_group_that_is_joined) {
  read(ignore, {}, {}, with_group_id("g"));
  ASSERT_TRUE(node_.wait_for<wire::JoinGroupRequest>(1, patience));
  EXPECT_EQ(node_.all<wire::JoinGroupRequest>().front().group_id, "g");
}

TEST_P(ReadingOption, failure_policy_skip_commits_past_a_failure) {
  store("bad");
  store("good");
  read(
      [this](RawEvent event) -> Result<void> {
        if (event.body() == "bad") return fail(Error::client(Errc::closed, "bad"));
        lines_.add("good");
        return {};
      },
      {}, {.group_id = "g", .max_retries = 0}, with_failure_policy(FailurePolicy::skip));
  ASSERT_TRUE(lines_.wait_for(1));
  ASSERT_TRUE(reader_->unsubscribe(patience));
  EXPECT_EQ(committed_at(node_.direct_address()), 2);
}

TEST_P(ReadingOption, start_offset_is_the_first_offset_that_is_read) {
  store("old");
  read([this](RawEvent event) { lines_.add(std::string(*event.body())); }, {}, {},
       kafka::with_start_offset(first));
  ASSERT_TRUE(reader_->wait_ready(patience));
  store("new");
  ASSERT_TRUE(lines_.wait_for("new"));
  EXPECT_THAT(lines_.all(), ElementsAre("old", "new"));
}

// The first message of "a" is being handled, 300 of "a" wait for it. That of "b" is read only if
// so many may wait.
TEST_P(ReadingOption, queue_capacity_is_the_number_of_messages_that_wait_for_a_handler) {
  auto publisher = connected(node_.direct_address());
  ASSERT_TRUE(publisher);
  for (int i = 0; i < 301; ++i) {
    ASSERT_TRUE(publisher->publish("t", "text", {.key = "a", .partition = PartitionId{0}}));
  }
  ASSERT_TRUE(publisher->publish("t", "text", {.key = "b", .partition = PartitionId{0}}));
  ASSERT_TRUE(publisher->flush(patience));
  read(
      [this](RawEvent event) {
        if (event.key() == "a") gate_.pass();
        if (event.key() == "b") lines_.add("b");
      },
      {}, {.concurrency = 2, .start_offset = first}, kafka::with_queue_capacity(1'000));
  const Opens opens{gate_};
  EXPECT_TRUE(lines_.wait_for("b"));
}

TEST_P(ReadingOption, min_bytes_are_sent_with_each_fetch) {
  read(ignore, {}, {}, kafka::with_min_bytes(77));
  ASSERT_TRUE(node_.wait_for<wire::FetchRequest>(1, patience));
  EXPECT_EQ(node_.all<wire::FetchRequest>().front().min_bytes, 77);
}

TEST_P(ReadingOption, max_bytes_are_sent_with_each_fetch) {
  read(ignore, {}, {}, kafka::with_max_bytes(76'543));
  ASSERT_TRUE(node_.wait_for<wire::FetchRequest>(1, patience));
  EXPECT_EQ(node_.all<wire::FetchRequest>().front().max_bytes, 76'543);
}

TEST_P(ReadingOption, consumer_options_reach_the_consumers) {
  read(ignore, {}, {}, kafka::with_consumer_options([](ConsumerOptions& o) {
         o.max_partition_fetch_bytes = 54'321;
       }));
  ASSERT_TRUE(node_.wait_for<wire::FetchRequest>(1, patience));
  const auto topics = node_.all<wire::FetchRequest>().front().topics;
  EXPECT_EQ(topics.at(0).partitions.at(0).partition_max_bytes, 54'321);
}

TEST_P(ReadingOption, max_wait_is_sent_with_each_fetch) {
  read(ignore, {}, {}, kafka::with_max_wait(123ms));
  ASSERT_TRUE(node_.wait_for<wire::FetchRequest>(1, patience));
  EXPECT_EQ(node_.all<wire::FetchRequest>().front().max_wait_ms, 123);
}

TEST_P(ReadingOption, heartbeat_interval_is_the_time_between_heartbeats) {
  read(ignore, {}, {.group_id = "g"}, kafka::with_heartbeat_interval(50ms));
  ASSERT_TRUE(reader_->wait_ready(patience));
  const auto begin = steady_clock::now();
  EXPECT_TRUE(node_.wait_for<wire::HeartbeatRequest>(3, patience));
  EXPECT_LT(steady_clock::now() - begin, 5s) << "three times the default are 9 s";
}

TEST_P(ReadingOption, session_timeout_is_sent_when_the_group_is_joined) {
  read(ignore, {}, {.group_id = "g"}, kafka::with_session_timeout(12'345ms));
  ASSERT_TRUE(node_.wait_for<wire::JoinGroupRequest>(1, patience));
  EXPECT_EQ(node_.all<wire::JoinGroupRequest>().front().session_timeout_ms, 12'345);
}

TEST_P(ReadingOption, rebalance_timeout_bounds_the_delay_of_a_rebalance_by_a_handler) {
  const SubscribeOptions member{.group_id = "g", .heartbeat_interval = 50ms};
  read([this](RawEvent) { gate_.pass(); }, {}, member, kafka::with_rebalance_timeout(100ms));
  const Opens opens{gate_};
  store("text");
  ASSERT_TRUE(gate_.holds(1));
  auto second = other_->subscribe("t", ignore, member);
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->wait_ready(patience));
}

TEST_P(ReadingOption, max_poll_interval_makes_a_subscription_leave_while_its_handler_runs) {
  read([this](RawEvent) { gate_.pass(); }, {kafka::with_rebalance_timeout(100ms)},
       {.group_id = "g"}, kafka::with_max_poll_interval(1s));
  const Opens opens{gate_};
  store("text");
  ASSERT_TRUE(gate_.holds(1));
  EXPECT_TRUE(node_.wait_for<wire::LeaveGroupRequest>(1, patience));
  EXPECT_EQ(node_.all<wire::JoinGroupRequest>().front().rebalance_timeout_ms, 1'000);
}

TEST_P(ReadingOption, commit_interval_is_the_minimum_time_between_two_commits) {
  read([this](RawEvent) { lines_.add("text"); }, {}, {.group_id = "g"},
       kafka::with_commit_interval(1h));
  for (std::size_t i = 1; i <= 20; ++i) {
    store("text");
    ASSERT_TRUE(lines_.wait_for(i));
  }
  ASSERT_TRUE(reader_->unsubscribe(patience));
  EXPECT_LE(node_.all<wire::OffsetCommitRequest>().size(), 2u) << "the first, and that of the end";
}

/// Reads that fail: the watch for new partitions gets no answer.
class FailingReads : public ReadingOption {
 protected:
  /// Waits for so many reports of the error handler, and returns their times.
  template <class... Given>
  std::vector<steady_clock::time_point> reports(int count, std::vector<BrokerOption> brokers,
                                                Given... given) {
    brokers.insert(brokers.end(), {kafka::with_read_timeout(100ms), kafka::with_max_wait(50ms),
                                   kafka::with_partition_watch_interval(100ms),
                                   with_error_handler([this](const Failure&) {
                                     const std::lock_guard lock(mutex_);
                                     times_.push_back(steady_clock::now());
                                     lines_.add("failed");
                                   })});
    read(ignore, std::move(brokers), {}, given...);
    EXPECT_TRUE(reader_->wait_ready(patience));
    node_.mute_all();
    EXPECT_TRUE(lines_.wait_for(static_cast<std::size_t>(count),
                                std::min<std::chrono::milliseconds>(patience * count, 10s)));
    reader_.reset();
    const std::lock_guard lock(mutex_);
    times_.resize(std::max(times_.size(), static_cast<std::size_t>(count)));
    return times_;
  }

 private:
  std::mutex mutex_;
  std::vector<steady_clock::time_point> times_;
};

TEST_P(FailingReads, max_attempts_are_the_failed_reads_before_the_error_handler_is_called) {
  (void)reports(1, {kafka::with_read_backoff_min(10s), kafka::with_read_backoff_max(10s)},
                kafka::with_max_attempts(1));
}

TEST_P(FailingReads, read_backoff_min_is_the_first_wait) {
  const auto at = reports(2, {kafka::with_max_attempts(1)}, kafka::with_read_backoff_min(1s));
  EXPECT_GE(at[1] - at[0], 1s);
}

TEST_P(FailingReads, read_backoff_max_bounds_the_waits_that_double) {
  const auto at = reports(3, {kafka::with_max_attempts(1), kafka::with_read_backoff_min(1s)},
                          kafka::with_read_backoff_max(10s));
  EXPECT_GE(at[2] - at[1], 2s);
}

INSTANTIATE_TEST_SUITE_P(Of, ReadingOption, testing::Values(Scope::broker, Scope::subscription),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Of, FailingReads, testing::Values(Scope::broker, Scope::subscription),
                         name_of);

class SubscribeOption : public RecordedOptions {
 protected:
  ~SubscribeOption() override {
    reader_.reset();
    broker_.reset();
  }
  template <class... Given>
  void read(auto handler, Given&&... given) {
    if (!broker_) connect();
    ASSERT_TRUE(broker_);
    auto reader = broker_->subscribe("t", std::move(handler), std::forward<Given>(given)...);
    ASSERT_TRUE(reader) << reader.error().to_string();
    reader_.emplace(std::move(*reader));
  }
  /// Notes the texts of each batch in one line.
  template <class... Given>
  void read_batches(Given&&... given) {
    const auto note = [this](std::span<RawEvent> batch) {
      std::string line;
      for (const RawEvent& event : batch) line.append(*event.body()).append(" ");
      lines_.add(std::move(line));
    };
    auto reader = broker_->subscribe_batch("t", note, std::forward<Given>(given)...);
    ASSERT_TRUE(reader) << reader.error().to_string();
    reader_.emplace(std::move(*reader));
  }
  /// Waits until all messages before `offset` were read for a handler.
  bool has_read(Offset offset) {
    const auto deadline = steady_clock::now() + patience;
    while (steady_clock::now() < deadline) {
      const auto position = reader_->position(PartitionId{0});
      if (position && *position == offset) return true;
      std::this_thread::yield();
    }
    return false;
  }
  /// A handler's messages, kept without an acknowledgement.
  auto keep() {
    return [this](RawEvent event) {
      lines_.add(std::string(*event.body()));
      const std::lock_guard lock(mutex_);
      kept_.push_back(std::move(event));
    };
  }
  auto noted_failures() {
    return with_error_handler(
        [this](const Failure& failure) { failures_.add(failure.error.to_string()); });
  }

  Lines failures_;
  std::vector<steady_clock::time_point> calls_;
  std::mutex mutex_;
  std::vector<RawEvent> kept_;
  std::optional<Subscriber> reader_;
};

TEST_F(SubscribeOption, group_instance_id_is_that_of_the_member) {
  read(ignore, with_group_id("g"), kafka::with_group_instance_id("one"));
  ASSERT_TRUE(node_.wait_for<wire::JoinGroupRequest>(1, patience));
  EXPECT_EQ(node_.all<wire::JoinGroupRequest>().front().group_instance_id, "one");
}

TEST_F(SubscribeOption, auto_ack_off_commits_only_messages_that_the_handler_acknowledged) {
  store("text");
  read([this](RawEvent) { lines_.add("text"); }, with_group_id("g"), disable_auto_ack());
  ASSERT_TRUE(lines_.wait_for(1));
  ASSERT_TRUE(reader_->unsubscribe(patience));
  EXPECT_EQ(committed_at(node_.direct_address()).value_or(0), 0);
}

// Eight messages of eight keys: with more workers more of them were handled at the same time.
TEST_F(SubscribeOption, concurrency_is_the_number_of_handlers_at_a_time) {
  auto publisher = connected(node_.direct_address());
  ASSERT_TRUE(publisher);
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(publisher->publish(
        "t", "text", {.key = std::to_string(i), .partition = PartitionId{0}, .async = false}));
  }
  read([this](RawEvent) { gate_.pass(); }, kafka::with_start_offset(first), with_concurrency(3));
  const Opens opens{gate_};
  EXPECT_TRUE(gate_.holds(3));
  ASSERT_TRUE(has_read(Offset{8}));
  EXPECT_FALSE(gate_.holds(4, 500ms)) << "more handlers run than the option says";
}

TEST_F(SubscribeOption, unordered_handles_messages_without_a_key_side_by_side) {
  for (int i = 0; i < 2; ++i) store("text");
  read([this](RawEvent) { gate_.pass(); }, kafka::with_start_offset(first), with_concurrency(2),
       with_unordered());
  const Opens opens{gate_};
  EXPECT_TRUE(gate_.holds(2));
}

TEST_F(SubscribeOption, batch_size_makes_a_batch_due) {
  connect();
  for (const char* text : {"one", "two", "three"}) store(text);
  read_batches(kafka::with_start_offset(first), with_subscribe_batch_size(3),
               with_subscribe_batch_interval(1h));
  EXPECT_TRUE(lines_.wait_for("one two three "));
}

TEST_F(SubscribeOption, batch_interval_bounds_the_wait_of_a_batch_for_more_messages) {
  connect();
  store("one");
  read_batches(kafka::with_start_offset(first), with_subscribe_batch_size(2),
               with_subscribe_batch_interval(1h));
  ASSERT_TRUE(has_read(Offset{1}));
  EXPECT_FALSE(lines_.wait_for(1, 1s)) << "a batch does not wait for its interval";
  store("two");
  EXPECT_TRUE(lines_.wait_for("one two "));
}

/// Fails, and notes when it was called.
auto failing(std::vector<steady_clock::time_point>& calls) {
  return [&calls](RawEvent) -> Result<void> {
    calls.push_back(steady_clock::now());
    return fail(Error::client(Errc::closed, "no nest"));
  };
}

TEST_F(SubscribeOption, max_retries_bounds_the_retries_of_a_failed_message) {
  connect(noted_failures());
  store("text");
  read(failing(calls_), kafka::with_start_offset(first), with_subscribe_retry(1, 1ms));
  ASSERT_TRUE(failures_.wait_for(1));
  reader_.reset();
  EXPECT_THAT(calls_, SizeIs(2));
}

TEST_F(SubscribeOption, retry_delay_is_the_wait_before_each_retry) {
  connect(noted_failures());
  store("text");
  read(failing(calls_), kafka::with_start_offset(first), with_subscribe_retry(1, 700ms));
  ASSERT_TRUE(failures_.wait_for(1));
  reader_.reset();
  ASSERT_GE(calls_.size(), 2u);
  EXPECT_GE(calls_[1] - calls_[0], 700ms);
}

TEST_F(SubscribeOption, max_retry_delay_bounds_the_waits_that_double) {
  connect(noted_failures());
  store("text");
  read(failing(calls_), kafka::with_start_offset(first), with_subscribe_retry(4, 200ms),
       with_max_retry_delay(10s));
  ASSERT_TRUE(failures_.wait_for(1, 20s)) << "the waits take up to 3.6 s";
  reader_.reset();
  ASSERT_EQ(calls_.size(), 5u);
  EXPECT_GE(calls_[4] - calls_[3], 1'600ms);
}

/// Fails on the topic's own messages, and notes the topics of all.
auto failing_at_first(Lines& lines) {
  return [&lines](RawEvent event) -> Result<void> {
    lines.add(std::string(event.topic()));
    if (event.topic() != "t") return {};
    return fail(Error::client(Errc::closed, "no nest"));
  };
}

TEST_F(SubscribeOption, retry_topics_store_failed_messages_until_their_retry) {
  store("text");
  read(failing_at_first(lines_), with_group_id("g"), with_subscribe_retry(0, 0ms),
       with_retry_topics({1ms}));
  ASSERT_TRUE(lines_.wait_for("t.g.retry.1ms"));
  EXPECT_THAT(lines_.all(), ElementsAre("t", "t.g.retry.1ms"));
}

TEST_F(SubscribeOption, retry_prefix_begins_the_names_of_retry_topics) {
  store("text");
  read(failing_at_first(lines_), with_group_id("g"), with_subscribe_retry(0, 0ms),
       with_retry_topics({1ms}), with_retry_prefix("nests"));
  EXPECT_TRUE(lines_.wait_for("nests.retry.1ms"));
}

TEST_F(SubscribeOption, failure_decision_chooses_how_a_failure_is_treated) {
  store("text");
  store("text");
  read(failing_at_first(lines_), with_group_id("g"), with_subscribe_retry(1'000, 1ms),
       with_failure_decision([this](const Error& why, const RawEvent&) {
         lines_.add(std::string(why.message()));
         return FailureAction::skip;
       }));
  ASSERT_TRUE(lines_.wait_for(4));
  EXPECT_THAT(lines_.all(), ElementsAre("t", "no nest", "t", "no nest"));
}

TEST_F(SubscribeOption, filter_hides_messages_from_the_handler) {
  connect();
  for (const char* text : {"one", "two", "three"}) store(text);
  read([this](RawEvent event) { lines_.add(std::string(*event.body())); }, with_group_id("g"),
       disable_auto_ack(),
       with_filter([](const RawEvent& event) { return event.body() == "two"; }));
  ASSERT_TRUE(lines_.wait_for("two"));
  ASSERT_TRUE(reader_->unsubscribe(patience));
  EXPECT_THAT(lines_.all(), ElementsAre("two"));
  EXPECT_EQ(committed_at(node_.direct_address()), 1) << "a filtered message is not acknowledged";
  EXPECT_GE(broker_->metrics().value("dohle_filtered_messages_total", {{"group", "g"}}), 1);
}

TEST_F(SubscribeOption, filter_that_throws_is_a_failure_of_the_message) {
  connect(noted_failures());
  store("one");
  read(ignore, with_group_id("g"), with_subscribe_retry(0, 0ms),
       with_filter([](const RawEvent&) -> bool { throw std::runtime_error("no sieve"); }));
  ASSERT_TRUE(failures_.wait_for(1));
  EXPECT_THAT(failures_.all().front(), testing::HasSubstr("the filter threw: no sieve"));
}

TEST_F(SubscribeOption, ack_timeout_is_the_time_until_a_missing_acknowledgement_is_reported) {
  connect(noted_failures());
  store("text");
  read(keep(), with_group_id("g"), disable_auto_ack(), with_ack_timeout(10ms));
  EXPECT_TRUE(failures_.wait_for(1));
  const auto ended = reader_->unsubscribe(patience);
  EXPECT_TRUE(ended) << ended.error().to_string();
}

// A message of another partition, stored later, is handled while those of partition 0 wait.
TEST_F(SubscribeOption, max_unacknowledged_pauses_a_partition) {
  for (int i = 0; i < 5; ++i) store("text");
  read(keep(), with_group_id("g"), disable_auto_ack(),
       with_max_unacknowledged(2, std::numeric_limits<std::size_t>::max() / 2));
  ASSERT_TRUE(lines_.wait_for(2));
  store("other", 1);
  ASSERT_TRUE(lines_.wait_for("other"));
  EXPECT_THAT(lines_.all(), ElementsAre("text", "text", "other"));
}

TEST_F(SubscribeOption, max_unacknowledged_bytes_pause_a_partition) {
  for (int i = 0; i < 5; ++i) store("text");
  read(keep(), with_group_id("g"), disable_auto_ack(), with_max_unacknowledged(10'000, 1));
  ASSERT_TRUE(lines_.wait_for(1));
  store("other", 1);
  ASSERT_TRUE(lines_.wait_for("other"));
  EXPECT_THAT(lines_.all(), ElementsAre("text", "other"));
}

auto noting(Lines& lines, std::string name) {
  return SubscribeMiddleware([&lines, name](SubscribeHandler next) -> SubscribeHandler {
    return [&lines, name, next](RawEvent& event) {
      lines.add(name);
      return next(event);
    };
  });
}

TEST_F(SubscribeOption, middlewares_run_inside_those_of_the_broker) {
  connect(with_subscribe_middlewares({noting(lines_, "broker")}));
  store("text");
  read([this](RawEvent) { lines_.add("handler"); }, kafka::with_start_offset(first),
       with_subscribe_middlewares({noting(lines_, "subscription")}));
  ASSERT_TRUE(lines_.wait_for("handler"));
  EXPECT_THAT(lines_.all(), ElementsAre("broker", "subscription", "handler"));
}

TEST_F(SubscribeOption, auto_create_topic_exists_once_subscribe_returns) {
  connect();
  const auto reader =
      broker_->subscribe("made", ignore, kafka::with_subscribe_auto_create_topic("made", 2, 1));
  ASSERT_TRUE(reader);
  EXPECT_TRUE(broker_->publish("made", "text",
                               PublishOptions{.partition = PartitionId{1}, .async = false}));
}

TEST_F(SubscribeOption, partition_is_the_only_one_that_is_read) {
  for (int i = 0; i < 3; ++i) store("text of " + std::to_string(i), i);
  read([this](RawEvent event) { lines_.add(std::string(*event.body())); },
       kafka::with_start_offset(first), kafka::with_partition(PartitionId{1}));
  ASSERT_TRUE(lines_.wait_for("text of 1"));
  ASSERT_TRUE(reader_->wait_ready(patience));
  ASSERT_EQ(reader_->assignment().size(), 1U);
  EXPECT_EQ(reader_->assignment()[0].partition, PartitionId{1});
  for (const auto& fetch : node_.all<wire::FetchRequest>()) {
    for (const auto& topic : fetch.topics) {
      for (const auto& each : topic.partitions) EXPECT_EQ(each.partition, PartitionId{1});
    }
  }
}

TEST_F(SubscribeOption, reader_config_is_refused_with_another_topic) {
  connect();
  const auto refused =
      broker_->subscribe("t", [](RawEvent) {}, kafka::with_reader_config({.topic = "other"}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "reader_config.topic is other; the subscription is to t");
}

}  // namespace
}  // namespace dohle
