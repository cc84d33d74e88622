// Rules of the messaging API that no test of one part shows: at a node in the process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "connected.hpp"
#include "dohle/kafka.hpp"
#include "fault/measured.hpp"
#include "lines.hpp"
#include "recorded_node.hpp"
#include "wire/messages/init_producer_id.hpp"
#include "wire/messages/offset_commit.hpp"
#include "wire/messages/produce.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;

/// A broker on a node of its own with a topic "t" of two partitions.
class Rules : public testing::Test {
 protected:
  template <class... Given>
  void connect(Given&&... given) {
    broker_ = connected_within(patience, "embedded:memory", std::forward<Given>(given)...);
    ASSERT_TRUE(broker_);
    ASSERT_TRUE(kafka::create_topic(*broker_, "t", 2, 1));
  }
  /// The committed offset of group "g" in partition 0; 0 if there is none.
  std::int64_t committed() {
    const auto offsets = broker_->client()->admin().group_offsets("g");
    EXPECT_TRUE(offsets) << offsets.error().to_string();
    for (const GroupOffset& each : *offsets) {
      if (each.partition.partition == PartitionId{0}) return each.offset.value;
    }
    return 0;
  }
  template <class Look>
  static bool eventually(Look look) {
    const auto deadline = std::chrono::steady_clock::now() + 3 * patience;
    while (!look()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
    }
    return true;
  }

  std::optional<Broker> broker_;
};

using Publishing = Rules;
using Unacknowledged = Rules;
using Delayed = Rules;

TEST(Handles, are_moved_and_not_copied) {
  const auto is_move_only = []<class T>(std::type_identity<T>) {
    return std::is_move_constructible_v<T> && !std::is_copy_constructible_v<T>;
  };
  EXPECT_TRUE(is_move_only(std::type_identity<Broker>()));
  EXPECT_TRUE(is_move_only(std::type_identity<Subscriber>()));
  EXPECT_TRUE(is_move_only(std::type_identity<RawEvent>()));
  EXPECT_TRUE(is_move_only(std::type_identity<Event<std::string>>()));
}

TEST(Defaults, are_those_of_the_go_package) {
  const kafka::BrokerOptions options;
  EXPECT_EQ(options.queue_capacity, 100u);
  EXPECT_TRUE(options.enable_one_topic_one_writer);
  EXPECT_TRUE(options.watch_partition_changes);
  EXPECT_EQ(options.partition_watch_interval, 5s);
  EXPECT_EQ(options.read_lag_interval, 1min);
  EXPECT_EQ(options.read_backoff_min, 100ms);
  EXPECT_EQ(options.read_backoff_max, 1s);
  EXPECT_EQ(options.rebalance_timeout, 30s);
  EXPECT_EQ(options.max_attempts, 3);
  EXPECT_EQ(options.request_timeout, 10s);
  EXPECT_TRUE(options.enable_error_logger);
  EXPECT_EQ(options.logger, nullptr) << "without one there is no information";
  EXPECT_FALSE(options.publish_max_attempts) << "unlimited within the delivery timeout";
  const SubscribeOptions reading;
  EXPECT_EQ(reading.max_retries, 3);
  EXPECT_EQ(reading.retry_delay, 100ms);
  EXPECT_EQ(reading.max_retry_delay, 1s);
  EXPECT_EQ(options.failure_policy, FailurePolicy::hold);
}

TEST_F(Publishing, before_connect_is_an_error) {
  auto broker = kafka::new_broker(with_address("embedded:memory"));
  ASSERT_TRUE(broker);
  for (const bool async : {true, false}) {
    const auto sent = broker->publish("t", "text", {.async = async});
    ASSERT_FALSE(sent);
    EXPECT_TRUE(sent.error().is(Errc::not_connected)) << sent.error().to_string();
  }
}

// The client's thread is the one that would free the memory.
TEST_F(Publishing, in_a_completion_with_memory_full_fails_at_once) {
  std::promise<Error> refused;
  std::atomic<int> accepted{0};
  std::once_flag once;
  connect(kafka::with_properties({{"buffer.memory", "1048576"}}),
          kafka::with_completion([&](const SettledBatch&) {
            std::call_once(once, [&] {
              for (;;) {
                const auto sent = broker_->publish("t", std::string(10'000, 'x'));
                if (!sent) return refused.set_value(sent.error());
                if (++accepted == 10'000) {
                  return refused.set_value(Error::client(Errc::closed, "memory is never full"));
                }
              }
            });
          }));
  ASSERT_TRUE(broker_->publish("t", "first", {.async = false}));
  auto told = refused.get_future();
  ASSERT_EQ(told.wait_for(patience), std::future_status::ready);
  const Error why = told.get();
  EXPECT_TRUE(why.is(Errc::would_block)) << why.to_string();
  EXPECT_GT(accepted, 0);
  const auto flushed = broker_->flush(patience);
  ASSERT_TRUE(flushed) << flushed.error().to_string();
  EXPECT_EQ(flushed->failed, 0u) << "what was accepted is stored";
}

/// Less under sanitizers, where a message costs more.
constexpr std::int64_t million = fault::is_measured ? 1'000'000 : 50'000;

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST_F(Unacknowledged, message_holds_the_commit_and_takes_little_memory_with_a_million_later_ones) {
  connect(kafka::with_max_wait(20ms));
  for (std::int64_t i = 0; i < million + 1; ++i) {
    ASSERT_TRUE(broker_->publish("t", "x", {.partition = PartitionId{0}}));
  }
  ASSERT_TRUE(broker_->flush(patience));
  const std::size_t before = resident_bytes();
  std::mutex mutex;
  std::optional<RawEvent> first;
  std::atomic<std::int64_t> handled{0};
  Lines others;
  auto reader =
      broker_->subscribe("t",
                         [&](RawEvent event) {
                           if (event.partition() == PartitionId{1}) {
                             others.add(std::string(*event.body()));
                           } else {
                             ++handled;
                           }
                           if (event.partition() == PartitionId{0} && event.offset() == Offset{0}) {
                             const std::lock_guard lock(mutex);
                             first.emplace(std::move(event));
                             return;
                           }
                           EXPECT_TRUE(event.ack());
                         },
                         {.group_id = "g", .auto_ack = false});
  ASSERT_TRUE(reader) << reader.error().to_string();
  constexpr std::int64_t max_unacknowledged = 10'000;
  ASSERT_TRUE(eventually([&] { return handled == max_unacknowledged; }));
  // The partition is paused by now; the other one is read.
  for (const char* text : {"1", "2", "3"}) {
    ASSERT_TRUE(broker_->publish("t", text, {.partition = PartitionId{1}, .async = false}));
    ASSERT_TRUE(others.wait_for(text));
  }
  EXPECT_EQ(handled, max_unacknowledged);
  EXPECT_EQ(committed(), 0);
  if (fault::is_measured) {
    EXPECT_LT(resident_bytes(), before + (std::size_t{100} << 20));
  }
  {
    const std::lock_guard lock(mutex);
    ASSERT_TRUE(first);
    EXPECT_TRUE(first->ack());
    first.reset();
  }
  EXPECT_TRUE(eventually([&] { return committed() == million + 1; }));
  EXPECT_EQ(handled, million + 1);
}

// The bounds on messages that wait are so high that they hold nothing back.
TEST_F(Delayed, messages_wait_on_the_server_and_not_in_memory) {
  constexpr std::int64_t messages = fault::is_measured ? 100'000 : 10'000;
  const std::string retry = "t.g.retry.60m", body(1'000, 'x');
  connect(kafka::with_max_wait(20ms));
  ASSERT_TRUE(kafka::create_topic(*broker_, retry, 2, 1));
  for (std::int64_t i = 0; i < messages; ++i) {
    ASSERT_TRUE(broker_->publish(retry, body, {.partition = PartitionId{0}}));
  }
  ASSERT_TRUE(broker_->flush(patience));
  const std::size_t before = resident_bytes();
  Lines texts;
  const auto reader =
      broker_->subscribe("t", [&](RawEvent event) { texts.add(std::string(event.topic())); },
                         {.group_id = "g",
                          .retry_topics = {1h},
                          .max_unacknowledged = 1'000'000,
                          .max_unacknowledged_bytes = std::size_t{1} << 30,
                          .queue_capacity = 100'000});
  ASSERT_TRUE(reader) << reader.error().to_string();
  const auto read_of_it = [&] {
    return broker_->metrics().value("dohle_consumer_records_total", {{"topic", retry}}).value_or(0);
  };
  ASSERT_TRUE(eventually([&] { return read_of_it() > 0; }));
  // Other messages are read for longer than all of the retry topic takes.
  for (std::size_t i = 1; i <= 200; ++i) {
    ASSERT_TRUE(broker_->publish("t", "x", {.partition = PartitionId{0}, .async = false}));
    ASSERT_TRUE(texts.wait_for(i));
  }
  EXPECT_LT(read_of_it(), static_cast<double>(messages) / 4);
  if (fault::is_measured) {
    EXPECT_LT(resident_bytes(), before + (std::size_t{50} << 20));
  }
  for (const std::string& each : texts.all()) EXPECT_EQ(each, "t");
}

TEST(Redirected, messages_are_stored_with_acks_all_for_any_options_of_publishes) {
  RecordedNode node;
  auto broker = connected_within(patience, node.address(), kafka::with_max_wait(20ms),
                                 with_publish_required_acks(Acks::leader),
                                 with_error_handler([](const Failure&) {}));
  ASSERT_TRUE(broker);
  const auto reader = broker->subscribe(
      "t",
      [](RawEvent) -> Result<void> { return fail(Error::client(Errc::handler_failed, "no ink")); },
      {.group_id = "g",
       .max_retries = 0,
       .retry_topics = {1ms},
       .failure_policy = FailurePolicy::dead_letter});
  ASSERT_TRUE(reader) << reader.error().to_string();
  ASSERT_TRUE(broker->publish("t", "text", {.async = false}));
  Lines dead;
  const auto letters =
      broker->subscribe("t.g.dlt", [&](RawEvent event) { dead.add(std::string(*event.body())); },
                        {.start_offset = StartOffset::first()});
  ASSERT_TRUE(letters) << letters.error().to_string();
  ASSERT_TRUE(dead.wait_for("text"));
  std::vector<int> acks;
  for (const auto& each : node.all<wire::ProduceRequest>()) acks.push_back(each.acks);
  EXPECT_THAT(acks, testing::UnorderedElementsAre(1, -1, -1))
      << "the publish, the retry, the dead letter";
}

TEST(Pipelines, are_idempotent_only_with_acks_all) {
  RecordedNode node;
  auto broker = connected_within(patience, node.address());
  ASSERT_TRUE(broker);
  for (const Acks acks : {Acks::leader, Acks::none}) {
    ASSERT_TRUE(broker->publish("t", "text", {.async = false, .required_acks = acks}));
  }
  EXPECT_TRUE(node.all<wire::InitProducerIdRequest>().empty())
      << "an id of a producer is asked for";
  ASSERT_TRUE(broker->publish("t", "text", {.async = false}));
  EXPECT_EQ(node.all<wire::InitProducerIdRequest>().size(), 1u);
}

TEST(Acknowledgements, without_a_group_free_memory_and_commit_nothing) {
  RecordedNode node;
  auto broker = connected_within(patience, node.address(), kafka::with_max_wait(20ms));
  ASSERT_TRUE(broker);
  std::mutex mutex;
  std::optional<RawEvent> first;
  Lines texts;
  const auto reader = broker->subscribe(
      "t",
      [&](RawEvent event) {
        const std::string text(*event.body());
        if (text == "first") {
          const std::lock_guard lock(mutex);
          first.emplace(std::move(event));
        } else {
          EXPECT_TRUE(event.ack());
        }
        texts.add(text);
      },
      {.auto_ack = false, .max_unacknowledged = 1, .start_offset = StartOffset::first()});
  ASSERT_TRUE(reader) << reader.error().to_string();
  const auto store = [&](const std::string& text, std::int32_t partition) {
    ASSERT_TRUE(broker->publish("t", text, {.partition = PartitionId{partition}, .async = false}));
  };
  store("first", 0);
  ASSERT_TRUE(texts.wait_for("first"));
  store("second", 0);
  for (const char* text : {"1", "2", "3"}) {
    store(text, 1);
    ASSERT_TRUE(texts.wait_for(text));
  }
  EXPECT_FALSE(texts.has("second")) << "one message may be unacknowledged";
  {
    const std::lock_guard lock(mutex);
    EXPECT_TRUE(first->ack());
    first.reset();
  }
  EXPECT_TRUE(texts.wait_for("second"));
  EXPECT_TRUE(node.all<wire::OffsetCommitRequest>().empty());
}

TEST(Functions, of_the_program_run_on_the_documented_threads) {
  std::mutex mutex;
  std::map<std::string, std::set<std::thread::id>> threads;
  const auto note = [&](const std::string& function) {
    const std::lock_guard lock(mutex);
    threads[function].insert(std::this_thread::get_id());
  };
  Lines done;
  auto broker = connected_within(
      patience, "embedded:memory", kafka::with_max_wait(20ms),
      with_publish_middlewares({[&](PublishHandler next) -> PublishHandler {
        return [&note, next = std::move(next)](std::string_view topic, Message& message) {
          note("publish middleware");
          return next(topic, message);
        };
      }}),
      kafka::with_completion([&](const SettledBatch&) { note("completion"); }),
      with_error_handler([&](const Failure& failure) {
        if (failure.kind != Failure::Kind::handler) return;
        note("error handler");
        done.add("failure");
      }));
  ASSERT_TRUE(broker);
  ASSERT_TRUE(kafka::create_topic(*broker, "t", 1, 1));
  const auto noted = [&note](const std::string& name) {
    return [&note, name](std::span<const TopicPartition>) { note(name); };
  };
  SubscribeOptions options{.group_id = "g",
                           .max_retries = 0,
                           .on_assigned = noted("on_assigned"),
                           .on_revoked = noted("on_revoked"),
                           .failure_policy = FailurePolicy::skip};
  options.failure_decision = [&](const Error&, const RawEvent&) {
    note("failure decision");
    return FailureAction::retry;
  };
  options.filter = [&](const RawEvent&) {
    note("filter");
    return true;
  };
  options.middlewares = {[&](SubscribeHandler next) -> SubscribeHandler {
    return [&note, next = std::move(next)](RawEvent& event) {
      note("middleware");
      return next(event);
    };
  }};
  auto reader = broker->subscribe(
      "t",
      [&](RawEvent) -> Result<void> {
        note("handler");
        return fail(Error::client(Errc::handler_failed, "no ink"));
      },
      std::move(options));
  ASSERT_TRUE(reader) << reader.error().to_string();
  const auto told = [&](const Result<Receipt>&) {
    note("publish callback");
    done.add("callback");
  };
  ASSERT_TRUE(broker->publish("t", "text", {.callback = told}));
  ASSERT_TRUE(done.wait_for("failure"));
  ASSERT_TRUE(done.wait_for("callback"));
  ASSERT_TRUE(reader->unsubscribe(patience));
  ASSERT_TRUE(broker->disconnect(patience));

  const std::set<std::thread::id> caller{std::this_thread::get_id()};
  const auto& clients = threads["publish callback"];
  ASSERT_EQ(clients.size(), 1u);
  EXPECT_EQ(threads["publish middleware"], caller);
  EXPECT_EQ(threads["completion"], clients);
  EXPECT_EQ(threads["middleware"], threads["handler"]);
  EXPECT_EQ(threads["failure decision"], threads["handler"]);
  for (const char* function : {"handler", "filter", "error handler", "on_assigned", "on_revoked"}) {
    EXPECT_EQ(threads[function].size(), 1u) << function;
    for (const std::thread::id each : threads[function]) {
      EXPECT_FALSE(caller.contains(each)) << function << " runs on the thread of a caller";
      EXPECT_FALSE(clients.contains(each)) << function << " runs on the client's thread";
    }
  }
}

TEST(Commits, name_the_leader_epoch_of_their_last_message) {
  RecordedNode node;
  auto broker = connected_within(patience, node.address(), kafka::with_max_wait(20ms));
  ASSERT_TRUE(broker);
  Lines texts;
  auto reader = broker->subscribe(
      "t", [&](RawEvent event) { texts.add(std::string(*event.body())); }, {.group_id = "g"});
  ASSERT_TRUE(reader && reader->wait_ready(patience));
  ASSERT_TRUE(broker->publish("t", "text", {.partition = PartitionId{0}, .async = false}));
  ASSERT_TRUE(texts.wait_for(1));
  ASSERT_TRUE(reader->unsubscribe(patience));
  bool is_found = false;
  for (const auto& commit : node.all<wire::OffsetCommitRequest>()) {
    for (const auto& topic : commit.topics) {
      for (const auto& each : topic.partitions) {
        if (each.committed_offset != Offset{1}) continue;
        is_found = true;
        EXPECT_FALSE(each.committed_leader_epoch.is_none());
      }
    }
  }
  EXPECT_TRUE(is_found);
}

// Without a group the reader itself sends nothing but fetches once it has begun.
TEST(Lag, is_known_without_a_request) {
  RecordedNode node;
  Lines texts;
  auto broker =
      connected_within(patience, node.address(), kafka::with_watch_partition_changes(false));
  auto other = connected_within(patience, node.direct_address());
  ASSERT_TRUE(broker && other);
  auto reader =
      broker->subscribe("t", [&](RawEvent event) { texts.add(std::string(*event.body())); },
                        {.start_offset = StartOffset::first()});
  ASSERT_TRUE(reader) << reader.error().to_string();
  const auto store_and_read = [&](const std::string& text) {
    return other->publish("t", text, PublishOptions{.partition = PartitionId{0}, .async = false}) &&
           texts.wait_for(text);
  };
  ASSERT_TRUE(store_and_read("before"));
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (reader->lag().partitions.size() < 3) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "each partition is fetched";
  }

  const auto others_than_fetches = [&] {
    std::size_t count = 0;
    for (const wire::RequestFrame& each : node.requests()) {
      if (each.header.api_key != wire::ApiKey::fetch) ++count;
    }
    return count;
  };
  constexpr std::size_t calls = 200;
  const std::size_t others = others_than_fetches(), all = node.requests().size();
  for (std::size_t i = 0; i < calls; ++i) EXPECT_EQ(reader->lag().total(), 0);
  // What was sent by then has passed the relay once the second message has come.
  ASSERT_TRUE(store_and_read("meanwhile") && store_and_read("after"));
  EXPECT_EQ(others_than_fetches(), others);
  EXPECT_LT(node.requests().size() - all, calls);
}

}  // namespace
}  // namespace dohle
