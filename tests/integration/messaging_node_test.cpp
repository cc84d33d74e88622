// The messaging API through client and node, over pipes inside the process.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"
#include "dohle/node.hpp"
#include "scratch_directory.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 20s;

struct Strike {
  std::string airport;
  int row = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Strike, airport, row)
};

/// Messages that handlers got on any thread.
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

TEST(MessagingOnNode, delivers_typed_messages_with_keys_and_headers) {
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

TEST(MessagingOnNode, resumes_a_group_at_its_committed_offsets) {
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

TEST(MessagingOnNode, reports_an_undecodable_message_and_continues_once_it_is_skipped) {
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

void publish_rows(Broker& broker, int first, int last) {
  for (int row = first; row < last; ++row) {
    ASSERT_TRUE(broker.publish("t", Strike{"A", row}).has_value());
  }
  const auto flushed = broker.flush(patience);
  ASSERT_TRUE(flushed.has_value()) << flushed.error().to_string();
  ASSERT_EQ(flushed->failed, 0u);
}

TEST(EmbeddedAddress, of_a_directory_keeps_messages_and_groups_across_a_restart) {
  const ScratchDirectory directory;
  for (int life = 0; life < 2; ++life) {
    Broker broker = connected("embedded:" + (directory / "data").string());
    ASSERT_TRUE(kafka::create_topic(broker, "t", 1, 1).has_value());
    publish_rows(broker, 10 * life, 10 * (life + 1));
    Seen group, all;
    auto member = broker.subscribe<Strike>(
        "t", [&](const Strike& strike) { group.add(strike.row); }, {.group_id = "g"});
    auto reader = broker.subscribe<Strike>("t", [&](const Strike& strike) { all.add(strike.row); },
                                           {.start_offset = StartOffset::first()});
    ASSERT_TRUE(member.has_value() && reader.has_value());
    EXPECT_TRUE(group.wait_for(10));
    EXPECT_TRUE(all.wait_for(static_cast<std::size_t>(10 * (life + 1))));
    const auto ended = broker.disconnect(patience);
    ASSERT_TRUE(ended.has_value()) << ended.error().to_string();
    EXPECT_EQ(group.rows.front(), 10 * life);
    EXPECT_EQ(group.rows.size(), 10u) << "what the group has done is remembered";
    EXPECT_EQ(all.rows.front(), 0);
  }
}

TEST(EmbeddedAddress, with_an_equal_name_shares_a_node_in_memory_and_without_a_name_does_not) {
  Broker one = connected("embedded:memory/shared");
  Broker two = connected("embedded:memory/shared");
  Broker alone = connected("embedded:memory");
  Broker alone_too = connected("embedded:memory");
  ASSERT_TRUE(kafka::create_topic(one, "t", 1, 1).has_value());
  Seen seen;
  auto reader = two.subscribe<Strike>("t", [&](const Strike& strike) { seen.add(strike.row); },
                                      {.start_offset = StartOffset::first()});
  ASSERT_TRUE(reader.has_value());
  publish_rows(one, 0, 5);
  EXPECT_TRUE(seen.wait_for(5));
  for (Broker* each : {&alone, &alone_too}) {
    const auto sent = each->publish("t", Strike{"A", 1});
    ASSERT_FALSE(sent.has_value()) << "a private node has the topic of another";
    EXPECT_TRUE(sent.error().is(Errc::no_such_topic)) << sent.error().to_string();
    ASSERT_TRUE(kafka::create_topic(*each, "t", 1, 1).has_value());
  }
}

TEST(EmbeddedAddress, with_a_listener_is_reached_by_tcp) {
  // The system chooses the port for a socket that is closed again.
  std::uint16_t port = 0;
  {
    auto other = Node::start({.listeners = {{.address = "127.0.0.1:0"}}});
    ASSERT_TRUE(other.has_value());
    port = static_cast<std::uint16_t>(
        std::stoi(other->address().substr(other->address().rfind(':') + 1)));
  }
  Broker inside = connected("embedded:memory/listening?listen=" + std::to_string(port));
  ASSERT_TRUE(kafka::create_topic(inside, "t", 1, 1).has_value());
  Broker outside = connected("127.0.0.1:" + std::to_string(port));
  Seen seen;
  auto reader = outside.subscribe<Strike>("t", [&](const Strike& strike) { seen.add(strike.row); },
                                          {.group_id = "g"});
  ASSERT_TRUE(reader.has_value());
  publish_rows(inside, 0, 5);
  publish_rows(outside, 5, 10);
  EXPECT_TRUE(seen.wait_for(10));
}

TEST(MessagingOnNode, reads_without_a_group_from_the_end_and_commits_nothing) {
  Broker broker = connected("embedded:memory");
  ASSERT_TRUE(kafka::create_topic(broker, "t", 3, 1).has_value());
  publish_rows(broker, 0, 30);
  for (int round = 0; round < 2; ++round) {
    Seen seen;
    auto reader =
        broker.subscribe<Strike>("t", [&](const Strike& strike) { seen.add(strike.row); });
    ASSERT_TRUE(reader.has_value());
    ASSERT_TRUE(reader->wait_ready(patience).has_value());
    publish_rows(broker, 30, 40);
    EXPECT_TRUE(seen.wait_for(10));
    ASSERT_TRUE(reader->unsubscribe(patience).has_value());
    std::ranges::sort(seen.rows);
    EXPECT_EQ(seen.rows.size(), 10u) << "it starts at the end of each time";
    EXPECT_EQ(seen.rows.front(), 30);
  }
}

TEST(MessagingOnNode, keeps_absent_empty_and_repeated_values_apart) {
  Broker broker = connected("embedded:memory", {.async = false});
  ASSERT_TRUE(kafka::create_topic(broker, "t", 1, 1).has_value());
  const std::vector<Header> headers{{"a", "1"}, {"a", std::nullopt}, {"b", ""}, {"a", "1"}};
  const std::vector<Message> sent{
      Message().with_tombstone().with_key("k").with_headers(headers),
      Message("").with_key(""),
      Message(std::string("\0\xff", 2)).with_timestamp(Timestamp{1}),
      Message("last"),
  };
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Message> received;
  auto reader = broker.subscribe("t",
                                 [&](RawEvent event) {
                                   const std::lock_guard lock(mutex);
                                   received.push_back(event.message());
                                   changed.notify_all();
                                 },
                                 {.start_offset = StartOffset::first()});
  ASSERT_TRUE(reader.has_value());
  for (const Message& message : sent) ASSERT_TRUE(broker.publish("t", message).has_value());
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, patience, [&] { return received.size() == sent.size(); }));
  for (std::size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(received[i].body(), sent[i].body()) << i;
    EXPECT_EQ(received[i].key(), sent[i].key()) << i;
    EXPECT_EQ(received[i].headers(), sent[i].headers()) << i;
    EXPECT_EQ(received[i].offset(), Offset{static_cast<std::int64_t>(i)});
  }
  EXPECT_EQ(received[2].timestamp(), Timestamp{1});
}

TEST(MessagingOnNode, never_blocks_the_clients_thread) {
  Broker broker = connected("embedded:memory");
  ASSERT_TRUE(kafka::create_topic(broker, "t", 1, 1).has_value());
  auto reader = broker.subscribe("t", [](RawEvent) {}, {.group_id = "g"});
  ASSERT_TRUE(reader.has_value());
  std::promise<std::vector<Error>> refusals;
  std::promise<bool> ended;
  const auto callback = [&](const Result<Receipt>&) {
    std::vector<Error> all;
    const auto refused = [&](const auto& result) {
      all.push_back(result ? Error::client(Errc::closed, "it succeeded") : result.error());
    };
    refused(broker.publish("t", "sync", {.async = false}));
    refused(broker.flush(1h));
    auto under_way = broker.publish("t", "async");
    ASSERT_TRUE(under_way.has_value());
    refused(under_way->wait(1h));
    refused(kafka::create_topic(broker, "other", 1, 1));
    refusals.set_value(std::move(all));
    ended.set_value(reader->unsubscribe(1h).has_value() && broker.disconnect(1h).has_value());
  };
  ASSERT_TRUE(broker.publish("t", "first", {.callback = callback}).has_value());
  auto told = refusals.get_future();
  ASSERT_EQ(told.wait_for(patience), std::future_status::ready);
  for (const Error& error : told.get()) {
    EXPECT_TRUE(error.is(Errc::would_deadlock)) << error.to_string();
  }
  auto returned = ended.get_future();
  ASSERT_EQ(returned.wait_for(patience), std::future_status::ready);
  EXPECT_TRUE(returned.get()) << "both mark and return";
  EXPECT_TRUE(broker.disconnect(patience).has_value());
}

TEST(MessagingOnNode, publishes_from_a_callback) {
  Broker broker = connected("embedded:memory");
  ASSERT_TRUE(kafka::create_topic(broker, "t", 1, 1).has_value());
  std::promise<Result<Receipt>> second;
  const auto told = [&](const Result<Receipt>& receipt) { second.set_value(receipt); };
  const auto callback = [&](const Result<Receipt>&) {
    const auto unknown = broker.publish("other", "text");
    EXPECT_TRUE(!unknown && unknown.error().is(Errc::would_deadlock));
    const auto sent = broker.publish("t", "second", {.callback = told});
    if (!sent) second.set_value(fail(sent.error()));
  };
  ASSERT_TRUE(broker.publish("t", "first", {.callback = callback}).has_value());
  const auto receipt = second.get_future().get();
  ASSERT_TRUE(receipt.has_value()) << receipt.error().to_string();
  EXPECT_EQ(receipt->offset, Offset{1});
}

TEST(MessagingOnNode, stores_nothing_of_a_synchronous_publish_that_it_refuses) {
  Broker broker = connected("embedded:memory");
  ASSERT_TRUE(kafka::create_topic(broker, "t", 1, 1).has_value());
  std::promise<bool> refused;
  const auto callback = [&](const Result<Receipt>&) {
    refused.set_value(!broker.publish("t", "sync", {.async = false}).has_value());
  };
  ASSERT_TRUE(broker.publish("t", "first", {.callback = callback}).has_value());
  EXPECT_TRUE(refused.get_future().get());
  const auto second = broker.publish("t", "second", {.async = false});
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->get()->offset, Offset{1});
}

TEST(MessagingOnNode, delivers_messages_published_while_a_handler_hangs) {
  Broker keeper = connected("embedded:memory/hang");
  ASSERT_TRUE(kafka::create_topic(keeper, "t", 1, 1).has_value());
  auto leave = std::make_shared<std::promise<void>>();
  auto entered = std::make_shared<std::promise<void>>();
  {
    Broker broker = connected("embedded:memory/hang", {.batch_timeout = 1min});
    auto reader = broker.subscribe("t",
                                   [leave, entered](RawEvent) {
                                     entered->set_value();
                                     leave->get_future().wait();
                                   },
                                   {.group_id = "g"});
    ASSERT_TRUE(reader.has_value());
    ASSERT_TRUE(keeper.publish("t", "enter").has_value());
    entered->get_future().wait();
    ASSERT_TRUE(broker.publish("t", "published").has_value());
    const auto ended = broker.disconnect(500ms);
    ASSERT_FALSE(ended.has_value());
    EXPECT_TRUE(ended.error().is(Errc::timed_out)) << ended.error().to_string();
    leave->set_value();
  }
  const auto next = keeper.publish("t", "next", {.async = false});
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->get()->offset, Offset{2}) << "what was published was lost";
}

TEST(MessagingOnNode, refuses_by_name_options_that_init_can_no_longer_change) {
  auto early = kafka::new_broker(with_address("127.0.0.1:1"));
  ASSERT_TRUE(early.has_value());
  ASSERT_FALSE(early->connect(1ms).has_value());
  ASSERT_TRUE(early->init(with_address("embedded:memory")).has_value())
      << "a connect that failed is none";
  ASSERT_TRUE(early->connect(patience).has_value());
  for (int round = 0; round < 2; ++round) {
    const auto late = early->init(kafka::with_batch_size(7), with_group_id("h"));
    ASSERT_FALSE(late.has_value());
    EXPECT_TRUE(late.error().message().starts_with("batch_size, group_id cannot be changed"))
        << late.error().to_string();
    ASSERT_TRUE(early->disconnect(patience).has_value());
  }
}

TEST(MessagingOnNode, reports_middleware_that_throws) {
  Broker broker = connected("embedded:memory");
  ASSERT_TRUE(kafka::create_topic(broker, "t", 1, 1).has_value());
  const PublishMiddleware throws = [](PublishHandler) -> PublishHandler { throw 7; };
  EXPECT_TRUE(
      broker.publish("t", "text", {.middlewares = {throws}}).error().is(Errc::handler_failed));
  const SubscribeMiddleware empty = [](SubscribeHandler) { return SubscribeHandler(); };
  const auto reader = broker.subscribe("t", [](RawEvent) {}, {.middlewares = {empty}});
  ASSERT_FALSE(reader.has_value());
  EXPECT_TRUE(reader.error().is(Errc::handler_failed));
}

TEST(MessagingOnNode, names_the_missing_topic_of_a_subscription_that_is_not_ready) {
  std::mutex mutex;
  std::optional<Error> told;
  Broker broker = connected("embedded:memory", {.error_handler = [&](const Failure& failure) {
                              const std::lock_guard lock(mutex);
                              told = failure.error;
                            }});
  for (const char* group : {"g", ""}) {
    auto reader = broker.subscribe("later", [](RawEvent) {}, {.group_id = group});
    ASSERT_TRUE(reader.has_value());
    const auto ready = reader->wait_ready(3s);
    ASSERT_FALSE(ready.has_value()) << group;
    EXPECT_NE(ready.error().to_string().find("topic later does not exist"), std::string::npos)
        << ready.error().to_string();
    const std::lock_guard lock(mutex);
    ASSERT_TRUE(told.has_value());
    EXPECT_TRUE(told->is(Errc::no_such_topic)) << told->to_string();
    told.reset();
  }
  auto reader = broker.subscribe("later", [](RawEvent) {}, {.group_id = "g"});
  ASSERT_TRUE(reader.has_value());
  ASSERT_TRUE(kafka::create_topic(broker, "later", 1, 1).has_value());
  EXPECT_TRUE(reader->wait_ready(patience).has_value()) << "it goes on once the topic is there";
}

TEST(MessagingOnNode, stop_ends_the_wait_for_a_subscription_and_not_the_subscription) {
  Broker broker = connected("embedded:memory");
  auto reader = broker.subscribe("later", [](RawEvent) {}, {.group_id = "g"});
  ASSERT_TRUE(reader.has_value());
  std::stop_source source;
  auto waiting = std::async(std::launch::async,
                            [&] { return reader->wait_ready(patience, source.get_token()); });
  EXPECT_EQ(waiting.wait_for(10ms), std::future_status::timeout);
  EXPECT_TRUE(source.request_stop());
  const auto stopped = waiting.get();
  ASSERT_FALSE(stopped.has_value());
  EXPECT_TRUE(stopped.error().is(Errc::cancelled)) << stopped.error().to_string();
  ASSERT_TRUE(kafka::create_topic(broker, "later", 1, 1).has_value());
  EXPECT_TRUE(reader->wait_ready(patience).has_value());
  EXPECT_TRUE(reader->wait_ready(patience, source.get_token()).has_value())
      << "it is ready without a wait";
}

// A cluster is asked five times over 1.5 s, since a new topic reaches all its servers only after a
// moment.
TEST(MessagingOnNode, reports_a_missing_topic_of_a_node_in_the_process_at_once) {
  Broker broker =
      connected("embedded:memory", {.async = false, .allow_publish_auto_topic_creation = false});
  const auto begin = std::chrono::steady_clock::now();
  const auto sent = broker.publish("missing", "text");
  const auto took = std::chrono::steady_clock::now() - begin;
  ASSERT_FALSE(sent.has_value());
  EXPECT_TRUE(sent.error().is(Errc::no_such_topic)) << sent.error().to_string();
  EXPECT_LT(took, 1s);
}

TEST(MessagingOnNode, refuses_names_that_no_topic_can_have_at_the_call) {
  Broker broker = connected("embedded:memory");
  for (const char* name : {"a/b", "^f.*", "", ".."}) {
    for (const char* group : {"g", ""}) {
      const auto reader = broker.subscribe(name, [](RawEvent) {}, {.group_id = group});
      ASSERT_FALSE(reader.has_value()) << name;
      EXPECT_EQ(reader.error().category(), ErrorCategory::configuration) << name;
    }
  }
}

TEST(MessagingOnNode, refuses_to_create_a_topic_that_exists_with_other_partitions) {
  Broker broker = connected("embedded:memory");
  ASSERT_TRUE(kafka::create_topic(broker, "t", 3, 1).has_value());
  EXPECT_TRUE(kafka::create_topic(broker, "t", 3, 1).has_value());
  EXPECT_TRUE(kafka::create_topic(broker, "t", -1, -1).has_value());
  const auto other = kafka::create_topic(broker, "t", 6, 1);
  ASSERT_FALSE(other.has_value());
  EXPECT_NE(other.error().to_string().find("exists with 3 partitions, not 6"), std::string::npos);
}

TEST(MessagingOnNode, reports_that_an_auto_created_topic_exists_with_other_partitions) {
  std::mutex mutex;
  std::string lines;
  Broker broker =
      connected("embedded:memory",
                {.logger = function_logger(LogLevel::warning,
                                           [&](LogLevel, std::string_view, std::string_view line) {
                                             const std::lock_guard lock(mutex);
                                             lines.append(line).append("\n");
                                           })});
  ASSERT_TRUE(kafka::create_topic(broker, "t", 3, 1).has_value());
  const auto subscribe = [&](std::int32_t partitions) {
    auto made = broker.subscribe<std::string>(
        "t", [](const std::string&) {},
        {.auto_create_topic = AutoCreateTopic{.topic = "t", .partitions = partitions}});
    EXPECT_TRUE(made.has_value());
    const std::lock_guard lock(mutex);
    return std::exchange(lines, {});
  };
  EXPECT_EQ(subscribe(3), "");
  EXPECT_EQ(subscribe(-1), "");
  EXPECT_NE(subscribe(6).find("auto_create_topic: topic t: it exists with 3 partitions, not 6"),
            std::string::npos);
}

TEST(TopicCalls, end_at_the_callers_timeout_with_the_reason) {
  const auto made = kafka::create_topic("127.0.0.1:1", "t", 1, 1, 200ms);
  ASSERT_FALSE(made.has_value());
  EXPECT_TRUE(made.error().is(Errc::timed_out)) << made.error().to_string();
  EXPECT_NE(made.error().to_string().find("127.0.0.1:1"), std::string::npos)
      << made.error().to_string();
  EXPECT_FALSE(kafka::delete_topic("127.0.0.1:1", {"t"}, 200ms).has_value());
}

TEST(MessagingOnNode, starts_only_partitions_without_a_commit_at_the_given_time) {
  Broker broker = connected("embedded:memory", {.async = false});
  ASSERT_TRUE(kafka::create_topic(broker, "t", 1, 1).has_value());
  for (int row = 0; row < 10; ++row) {
    const auto sent = broker.publish("t", Strike{"A", row}, {.timestamp = Timestamp{1'000 + row}});
    ASSERT_TRUE(sent.has_value());
  }
  for (int round = 0; round < 2; ++round) {
    Seen seen;
    auto reader = broker.subscribe<Strike>(
        "t", [&](const Strike& strike) { seen.add(strike.row); },
        {.group_id = "g", .start_offset = StartOffset::at(Timestamp{1'007})});
    ASSERT_TRUE(reader.has_value());
    const auto sent = broker.publish("t", Strike{"A", 10 + round});
    ASSERT_TRUE(sent.has_value());
    EXPECT_TRUE(seen.wait_for(round == 0 ? 4 : 1));
    ASSERT_TRUE(reader->unsubscribe(patience).has_value());
    EXPECT_EQ(seen.rows.front(), round == 0 ? 7 : 11);
  }
}

}  // namespace
}  // namespace dohle
