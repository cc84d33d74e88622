// The messaging API on Apache Kafka 4.3.1, and the birdstrikes example.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "dohle/client.hpp"
#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"
#include "integration/apache_kafka_server.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 30s;
constexpr int partitions = 4;

struct Reading {
  std::string sensor;
  int number = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Reading, sensor, number)
};

/// Messages that handlers got on any thread, by sensor and in order.
class Seen {
 public:
  void add(const Reading& reading) {
    const std::lock_guard lock(mutex_);
    numbers_[reading.sensor].push_back(reading.number);
    distinct_.insert(reading.number);
    changed_.notify_all();
  }
  bool wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return distinct_.size() >= count; });
  }
  std::map<std::string, std::vector<int>> numbers() {
    const std::lock_guard lock(mutex_);
    return numbers_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::vector<int>> numbers_;
  std::set<int> distinct_;
};

class ApacheMessaging : public testing::Test {
 protected:
  static void SetUpTestSuite() { server_.emplace(); }
  static void TearDownTestSuite() { server_.reset(); }

  static Broker connected(kafka::BrokerOptions options = {}) {
    options.addresses = {server_->address()};
    auto broker = kafka::new_broker(std::move(options));
    EXPECT_TRUE(broker.has_value());
    const auto reached = broker->connect(patience);
    EXPECT_TRUE(reached.has_value()) << reached.error().to_string();
    return std::move(*broker);
  }
  static void publish(Broker& broker, const std::string& topic, int first, int last) {
    for (int i = first; i < last; ++i) {
      const Reading reading{"sensor " + std::to_string(i % 11), i};
      const auto sent = broker.publish(
          topic, reading, {.key = reading.sensor, .headers = {{"number", std::to_string(i)}}});
      ASSERT_TRUE(sent.has_value()) << sent.error().to_string();
    }
    const auto flushed = broker.flush(patience);
    ASSERT_TRUE(flushed.has_value()) << flushed.error().to_string();
    ASSERT_EQ(flushed->failed, 0u);
  }

  static inline std::optional<ApacheKafkaServer> server_;
};

TEST_F(ApacheMessaging, AGroupGetsTypedMessagesInOrderPerKeyThroughMiddlewareOnBothSides) {
  constexpr int count = 1'000;
  std::atomic<int> published{0}, handled{0};
  Broker broker = connected({
      .publish_middlewares = {[&](PublishHandler next) -> PublishHandler {
        return [&, next = std::move(next)](std::string_view topic, Message& message) {
          ++published;
          return next(topic, message);
        };
      }},
      .subscribe_middlewares = {[&](SubscribeHandler next) -> SubscribeHandler {
        return [&, next = std::move(next)](RawEvent& event) {
          ++handled;
          return next(event);
        };
      }},
  });
  ASSERT_TRUE(kafka::create_topic(broker, "readings", partitions, 1).has_value());
  ASSERT_TRUE(kafka::create_topic(server_->address(), "readings", partitions, 1).has_value())
      << "it exists: success";
  Seen seen;
  const auto handler = [&](Event<Reading> event) {
    EXPECT_EQ(event.key(), event->sensor);
    EXPECT_EQ(event.header("number"), std::to_string(event->number));
    seen.add(*event);
  };
  auto one = broker.subscribe<Reading>("readings", handler, {.group_id = "summary"});
  auto two = broker.subscribe<Reading>("readings", handler, {.group_id = "summary"});
  ASSERT_TRUE(one.has_value() && two.has_value());
  ASSERT_TRUE(one->wait_ready(patience).has_value());
  ASSERT_TRUE(two->wait_ready(patience).has_value());
  publish(broker, "readings", 0, count);
  ASSERT_TRUE(seen.wait_for(count));
  // One subscription ends; the other one takes all partitions.
  ASSERT_TRUE(one->unsubscribe(patience).has_value());
  publish(broker, "readings", count, 2 * count);
  ASSERT_TRUE(seen.wait_for(2 * count));
  const auto ended = broker.disconnect(patience);
  ASSERT_TRUE(ended.has_value()) << ended.error().to_string();
  EXPECT_EQ(ended->failed, 0u);
  EXPECT_EQ(published, 2 * count);
  EXPECT_GE(handled, 2 * count);
  for (auto [sensor, numbers] : seen.numbers()) {
    // A group delivers at least once; repeated messages are in order too.
    std::set<int> known;
    int last = -1;
    for (const int number : numbers) {
      if (!known.insert(number).second) continue;
      EXPECT_GT(number, last) << "of " << sensor;
      last = number;
    }
  }

  // Everything was committed: a new member of the group gets only new messages.
  Broker next = connected();
  Seen only_new;
  auto later = next.subscribe<Reading>(
      "readings", [&](const Reading& reading) { only_new.add(reading); }, {.group_id = "summary"});
  ASSERT_TRUE(later.has_value());
  publish(next, "readings", 2 * count, 2 * count + 10);
  ASSERT_TRUE(only_new.wait_for(10));
  for (const auto& [sensor, numbers] : only_new.numbers()) EXPECT_GE(numbers.front(), 2 * count);
}

TEST_F(ApacheMessaging, ReadsWithoutAGroupFromTheEndOrFromTheFirstMessage) {
  Broker broker = connected();
  ASSERT_TRUE(kafka::create_topic(broker, "loose", 2, 1).has_value());
  publish(broker, "loose", 0, 20);
  Seen from_end, from_start;
  auto end = broker.subscribe<Reading>("loose", [&](const Reading& r) { from_end.add(r); });
  auto start = broker.subscribe<Reading>("loose", [&](const Reading& r) { from_start.add(r); },
                                         {.start_offset = StartOffset::first()});
  ASSERT_TRUE(end.has_value() && start.has_value());
  ASSERT_TRUE(end->wait_ready(patience).has_value());
  ASSERT_TRUE(start->wait_ready(patience).has_value());
  publish(broker, "loose", 20, 30);
  EXPECT_TRUE(from_start.wait_for(30));
  EXPECT_TRUE(from_end.wait_for(10));
  for (const auto& [sensor, numbers] : from_end.numbers()) EXPECT_GE(numbers.front(), 20);
}

// Options whose effect is the server's. Those of the node are in messaging_options_test.

class ApacheOption : public ApacheMessaging {
 protected:
  Admin admin() {
    if (!client_) {
      client_.emplace(Client::create({.bootstrap_servers = {server_->address()}}).value());
      EXPECT_TRUE(client_->connect(patience));
    }
    return client_->admin();
  }
  GroupMemberDescription only_member(const std::string& group) {
    const auto described = admin().describe_groups({group});
    EXPECT_TRUE(described && described->at(0).result);
    EXPECT_EQ(described->at(0).result->members.size(), 1u);
    return described->at(0).result->members.at(0);
  }

 private:
  std::optional<Client> client_;
};

/// The messages of a subscription, and the failures of its broker's error handler.
struct Texts {
  std::mutex mutex;
  std::condition_variable grown;
  std::vector<std::string> all;

  void add(std::string text) {
    const std::lock_guard lock(mutex);
    all.push_back(std::move(text));
    grown.notify_all();
  }
  std::string first() {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(grown.wait_for(lock, patience, [&] { return !all.empty(); }));
    return all.empty() ? std::string() : all.front();
  }
};

TEST_F(ApacheOption, client_id_and_group_instance_id_are_described_for_the_member) {
  Broker broker = connected({.client_id = "jackdaw"});
  ASSERT_TRUE(kafka::create_topic(broker, "named", 1, 1));
  auto reader = broker.subscribe("named", [](RawEvent) {},
                                 {.group_id = "named", .group_instance_id = "nest"});
  ASSERT_TRUE(reader && reader->wait_ready(patience));
  const GroupMemberDescription member = only_member("named");
  EXPECT_EQ(member.client_id, "jackdaw");
  EXPECT_EQ(member.group_instance_id, "nest");
}

TEST_F(ApacheOption, compression_is_applied_to_the_stored_batches) {
  using enum CompressionCodec;
  Broker keeper = connected();
  for (const auto& [codec, number] :
       {std::pair{none, 0}, {gzip, 1}, {snappy, 2}, {lz4, 3}, {zstd, 4}}) {
    const std::string topic = "compressed-" + std::to_string(number);
    ASSERT_TRUE(kafka::create_topic(keeper, topic, 1, 1));
    Broker broker = connected({.async = false, .compression = codec});
    ASSERT_TRUE(broker.publish(topic, std::string(1'000, 'x')));
    std::ifstream segment(server_->data() + "/" + topic + "-0/00000000000000000000.log",
                          std::ios::binary);
    std::array<char, 23> header{};
    ASSERT_TRUE(segment.read(header.data(), header.size())) << topic;
    EXPECT_EQ(header.at(22) & 7, number) << "the codec in the batch's attributes";
  }
}

// A server answers with the offset, except where no acknowledgement is asked for.
TEST_F(ApacheOption, required_acks_of_one_publish_are_sent_to_the_server) {
  Broker broker = connected({.async = false});
  ASSERT_TRUE(kafka::create_topic(broker, "acks", 1, 1));
  const auto offset_with = [&](Acks acks) {
    const auto sent = broker.publish("acks", "text", with_publish_required_acks(acks));
    EXPECT_TRUE(sent) << sent.error().to_string();
    return sent ? sent->get()->offset : Offset{};
  };
  EXPECT_TRUE(offset_with(Acks::none).is_none());
  const Offset by_leader = offset_with(Acks::leader);
  EXPECT_FALSE(by_leader.is_none());
  EXPECT_GT(offset_with(Acks::all), by_leader);
}

TEST_F(ApacheOption, session_timeout_below_the_servers_bound_is_refused) {
  Texts failures;
  Broker broker = connected({.session_timeout = 5s, .error_handler = [&](const Failure& failure) {
                               failures.add(failure.error.to_string());
                             }});
  ASSERT_TRUE(kafka::create_topic(broker, "bounded", 1, 1));
  auto reader = broker.subscribe("bounded", [](RawEvent) {}, {.group_id = "bounded"});
  ASSERT_TRUE(reader);
  EXPECT_NE(failures.first().find("INVALID_SESSION_TIMEOUT"), std::string::npos)
      << failures.first();
  auto longer = broker.subscribe("bounded", [](RawEvent) {},
                                 {.group_id = "bounded-too", .session_timeout = 6s});
  ASSERT_TRUE(longer);
  EXPECT_TRUE(longer->wait_ready(patience));
}

TEST_F(ApacheOption, start_offset_is_the_first_offset_of_a_group_without_commits) {
  Broker broker = connected({.async = false});
  ASSERT_TRUE(kafka::create_topic(broker, "starts", 1, 1));
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(broker.publish("starts", "old " + std::to_string(i),
                               {.timestamp = Timestamp{1'700'000'000'000 + i}}));
  }
  Texts from_last, from_time;
  auto last = broker.subscribe("starts", [&](RawEvent e) { from_last.add(std::string(*e.body())); },
                               {.group_id = "last", .start_offset = StartOffset::last()});
  auto time = broker.subscribe(
      "starts", [&](RawEvent e) { from_time.add(std::string(*e.body())); },
      {.group_id = "time", .start_offset = StartOffset::at(Timestamp{1'700'000'000'001})});
  ASSERT_TRUE(last && last->wait_ready(patience));
  ASSERT_TRUE(time && time->wait_ready(patience));
  ASSERT_TRUE(broker.publish("starts", "new"));
  EXPECT_EQ(from_last.first(), "new");
  EXPECT_EQ(from_time.first(), "old 1");
}

TEST_F(ApacheOption, topics_are_created_if_an_option_asks_for_them) {
  Broker shy = connected({.async = false});
  const auto missing = shy.publish("by-publish", "text");
  ASSERT_FALSE(missing);
  EXPECT_TRUE(missing.error().is(Errc::no_such_topic)) << missing.error().to_string();
  Broker broker = connected({.async = false, .allow_publish_auto_topic_creation = true});
  const auto sent = broker.publish("by-publish", "text");
  EXPECT_TRUE(sent) << sent.error().to_string();
  auto reader = broker.subscribe(
      "by-subscribe", [](RawEvent) {},
      {.auto_create_topic = AutoCreateTopic{"by-subscribe", 2, 1}, .partition = PartitionId{1}});
  ASSERT_TRUE(reader) << reader.error().to_string();
  EXPECT_TRUE(reader->wait_ready(patience));
}

TEST_F(ApacheOption, group_id_is_the_group_whose_offsets_are_committed) {
  Broker broker = connected({.async = false, .group_id = "committing"});
  ASSERT_TRUE(kafka::create_topic(broker, "committed", 1, 1));
  ASSERT_TRUE(broker.publish("committed", "text"));
  Texts got;
  auto reader = broker.subscribe("committed", [&](RawEvent e) { got.add(std::string(*e.body())); });
  ASSERT_TRUE(reader);
  EXPECT_EQ(got.first(), "text");
  ASSERT_TRUE(reader->unsubscribe(patience));
  const auto offsets = admin().group_offsets("committing");
  ASSERT_TRUE(offsets && offsets->size() == 1);
  EXPECT_EQ(offsets->front().offset, Offset{1});
}

TEST_F(ApacheOption, RetriesFailedMessagesFromRetryTopicsAndPutsDeadLettersBack) {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t dead = 0;
  std::map<std::string, std::vector<std::string>> topics;
  std::atomic<bool> is_mended{false};
  Broker broker = connected({.max_wait = 20ms, .error_handler = [&](const Failure& failure) {
                               const std::lock_guard lock(mutex);
                               EXPECT_EQ(failure.kind, Failure::Kind::handler)
                                   << failure.error.to_string();
                               ++dead;
                               changed.notify_all();
                             }});
  ASSERT_TRUE(kafka::create_topic(broker, "failing", partitions, 1));
  auto reader = broker.subscribe("failing",
                                 [&](RawEvent event) -> Result<void> {
                                   const std::lock_guard lock(mutex);
                                   topics[std::string(*event.body())].emplace_back(event.topic());
                                   changed.notify_all();
                                   const bool fails =
                                       *event.body() == "bad" || event.attempt() == 1;
                                   if (is_mended || !fails) return {};
                                   return fail(Error::client(Errc::handler_failed, "no ink"));
                                 },
                                 {.group_id = "billing",
                                  .max_retries = 0,
                                  .retry_topics = {50ms, 200ms},
                                  .failure_policy = FailurePolicy::dead_letter});
  ASSERT_TRUE(reader) << reader.error().to_string();
  for (const char* body : {"good", "bad"}) {
    ASSERT_TRUE(broker.publish("failing", body, {.key = body, .async = false}));
  }
  const auto wait = [&](auto condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, patience, condition);
  };
  ASSERT_TRUE(wait([&] { return dead == 1 && topics["good"].size() == 2; }));
  const std::string first = "failing.billing.retry.50ms", second = "failing.billing.retry.200ms";
  EXPECT_EQ(topics["good"], (std::vector<std::string>{"failing", first}));
  EXPECT_EQ(topics["bad"], (std::vector<std::string>{"failing", first, second}));
  const auto retention = admin().describe_configs({{.name = first}});
  ASSERT_TRUE(retention && retention->at(0).result);
  for (const ConfigEntry& each : *retention->at(0).result) {
    if (each.name != "retention.ms") continue;
    EXPECT_EQ(each.value, "604800000");
  }

  is_mended = true;
  const auto back = kafka::redrive(broker, "failing.billing.dlt", "failing");
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(back->redriven, 1u);
  ASSERT_TRUE(wait([&] { return topics["bad"].size() == 4; }));
  EXPECT_EQ(kafka::redrive(broker, "failing.billing.dlt", "failing")->read, 0u);
  ASSERT_TRUE(reader->unsubscribe(patience));
  std::int64_t committed = 0;
  for (const GroupOffset& each : *admin().group_offsets("billing")) {
    if (each.partition.topic == "failing") committed += each.offset.value;
  }
  EXPECT_EQ(committed, 3);
}

// The log ends with the marker of the transaction, which is no message.
TEST_F(ApacheOption, CommitsPastTheMarkersOfTransactions) {
  Broker broker = connected({.max_wait = 20ms});
  ASSERT_TRUE(kafka::create_topic(broker, "marked", 1, 1));
  constexpr int count = 10;
  const std::string command =
      std::string(DOHLE_SCRIPTS) + "/apache-kafka tool ProducerPerformance --bootstrap-server " +
      server_->address() + " --topic marked --num-records " + std::to_string(count) +
      " --record-size 20 --throughput -1 --transactional-id marking "
      ">/dev/null";
  ASSERT_EQ(::system(command.c_str()), 0) << command;
  const auto end = admin().list_offsets({{{"marked", PartitionId{0}}, OffsetSpec::latest()}});
  ASSERT_TRUE(end && end->at(0).result);
  const Offset last = end->at(0).result->offset;
  ASSERT_GT(last, Offset{count}) << "there is no marker";
  std::atomic<int> handled{0};
  auto reader = broker.subscribe("marked", [&](RawEvent) { ++handled; }, {.group_id = "of marked"});
  ASSERT_TRUE(reader) << reader.error().to_string();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const auto committed = [&] {
    const auto offsets = admin().group_offsets("of marked");
    return offsets && !offsets->empty() ? offsets->front().offset : Offset{};
  };
  while (committed() != last && std::chrono::steady_clock::now() < deadline) continue;
  EXPECT_EQ(committed(), last);
  EXPECT_EQ(handled, count);
  EXPECT_EQ(reader->lag().total(), 0);
}

TEST_F(ApacheOption, RefusesARetryTopicThatLosesMessages) {
  Broker broker = connected();
  ASSERT_TRUE(kafka::create_topic(broker, "lossy", partitions, 1));
  const auto refusal_with = [&](const std::string& delay, std::chrono::milliseconds wait,
                                std::map<std::string, std::string> config) {
    const auto made = admin().create_topics({{.name = "lossy.billing.retry." + delay,
                                              .partitions = partitions,
                                              .config = std::move(config)}});
    EXPECT_TRUE(made && made->at(0).result);
    const auto refused =
        broker.subscribe("lossy", [](RawEvent) {}, {.group_id = "billing", .retry_topics = {wait}});
    return refused ? "" : refused.error().to_string();
  };
  const std::string shorter = refusal_with("10s", 10s, {{"retention.ms", "9999"}});
  EXPECT_NE(shorter.find("retention.ms 9999"), std::string::npos) << shorter;
  const std::string compacts = refusal_with("20s", 20s, {{"cleanup.policy", "compact"}});
  EXPECT_NE(compacts.find("cleanup.policy compact"), std::string::npos) << compacts;
  EXPECT_EQ(refusal_with("30s", 30s, {{"retention.ms", "30000"}}), "");
}

#ifdef DOHLE_BIRDSTRIKES
TEST_F(ApacheMessaging, TheBirdstrikesExampleFindsEachOfItsRowsOnceAndInOrder) {
  const std::string command =
      std::string(DOHLE_BIRDSTRIKES) + " --rate 2500 --brokers " + server_->address();
  EXPECT_EQ(::system(command.c_str()), 0);
}
#endif

class ApacheAcls : public testing::Test {
 protected:
  /// Allows an operation on a topic; all other operations are then denied.
  void allow(const std::string& operation, const std::string& topic) {
    const std::string command =
        std::string(DOHLE_SCRIPTS) + "/apache-kafka tool AclCommand --bootstrap-server " +
        server_.address() + " --add --allow-principal 'User:*' --operation " + operation +
        " --topic " + topic + " >/dev/null";
    ASSERT_EQ(::system(command.c_str()), 0) << command;
  }
  ApacheKafkaServer server_{
      "-o authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer "
      "-o allow.everyone.if.no.acl.found=true"};
};

TEST_F(ApacheAcls, ThatDenyARetryTopicLeaveTheSourceUncommitted) {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> failures, topics;
  auto broker = kafka::new_broker(with_address(server_.address()),
                                  with_error_handler([&](const Failure& failure) {
                                    const std::lock_guard lock(mutex);
                                    if (failure.kind != Failure::Kind::redirect) return;
                                    failures.push_back(failure.error.to_string());
                                    changed.notify_all();
                                  }));
  ASSERT_TRUE(broker && broker->connect(patience));
  const std::string retry = "t.g.retry.50ms";
  for (const std::string& topic : {std::string("t"), retry}) {
    ASSERT_TRUE(kafka::create_topic(*broker, topic, 1, 1));
  }
  allow("Read --operation DescribeConfigs", retry);
  auto reader = broker->subscribe("t",
                                  [&](RawEvent event) -> Result<void> {
                                    const std::lock_guard lock(mutex);
                                    topics.emplace_back(event.topic());
                                    changed.notify_all();
                                    if (event.topic() != "t") return {};
                                    return fail(Error::client(Errc::handler_failed, "no ink"));
                                  },
                                  {.group_id = "g", .max_retries = 0, .retry_topics = {50ms}});
  ASSERT_TRUE(reader) << reader.error().to_string();
  ASSERT_TRUE(broker->publish("t", "text", {.async = false}));
  const auto wait = [&](auto condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, patience, condition);
  };
  ASSERT_TRUE(wait([&] { return !failures.empty(); }));
  EXPECT_NE(failures.at(0).find("TOPIC_AUTHORIZATION_FAILED"), std::string::npos) << failures.at(0);
  EXPECT_NE(failures.at(0).find(retry), std::string::npos) << failures.at(0);
  auto client = Client::create({.bootstrap_servers = {server_.address()}});
  ASSERT_TRUE(client);
  const auto committed = [&] {
    std::int64_t offset = 0;
    for (const GroupOffset& each : client->admin().group_offsets("g").value()) {
      if (each.partition.topic == "t") offset = each.offset.value;
    }
    return offset;
  };
  EXPECT_EQ(committed(), 0);
  allow("Write", retry);
  EXPECT_TRUE(wait([&] { return topics == std::vector<std::string>{"t", retry}; }));
  ASSERT_TRUE(reader->unsubscribe(patience));
  EXPECT_EQ(committed(), 1);
}

TEST_F(ApacheAcls, ThatDenyATopicDelayNoCommitOfAnotherTopic) {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> refusals;
  std::map<std::string, RawEvent> kept;
  auto broker = kafka::new_broker(with_address(server_.address()),
                                  with_error_handler([&](const Failure& failure) {
                                    const std::lock_guard lock(mutex);
                                    if (failure.topic != "b" || failure.partition != PartitionId{0})
                                      return;
                                    refusals.push_back(failure.error.to_string());
                                    changed.notify_all();
                                  }));
  ASSERT_TRUE(broker && broker->connect(patience));
  for (const char* topic : {"a", "b"}) {
    ASSERT_TRUE(kafka::create_topic(*broker, topic, 1, 1));
    ASSERT_TRUE(broker->publish(topic, "text", {.async = false}));
  }
  auto reader = broker->subscribe({"a", "b"},
                                  [&](RawEvent event) {
                                    std::string topic(event.topic());
                                    const std::lock_guard lock(mutex);
                                    kept.emplace(std::move(topic), std::move(event));
                                    changed.notify_all();
                                  },
                                  {.group_id = "g", .auto_ack = false});
  ASSERT_TRUE(reader) << reader.error().to_string();
  const auto wait = [&](auto condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, patience, condition);
  };
  ASSERT_TRUE(wait([&] { return kept.size() == 2; }));
  // Operations that are not allowed are now denied, and a commit needs Read.
  allow("Write", "b");
  for (auto& [topic, event] : kept) EXPECT_TRUE(event.ack()) << topic;
  ASSERT_TRUE(wait([&] { return !refusals.empty(); }));
  EXPECT_TRUE(refusals.at(0).starts_with(
      "TOPIC_AUTHORIZATION_FAILED (29): offset 1 of b-0 is not committed"))
      << refusals.at(0);
  const auto ended = reader->unsubscribe(patience);
  ASSERT_FALSE(ended) << "the last commit of b is refused, too";
  EXPECT_TRUE(ended.error().is_broker(29)) << ended.error().to_string();
  kept.clear();
  auto client = Client::create({.bootstrap_servers = {server_.address()}});
  ASSERT_TRUE(client);
  std::map<std::string, std::int64_t> committed;
  for (const GroupOffset& each : client->admin().group_offsets("g").value()) {
    committed[each.partition.topic] = each.offset.value;
  }
  EXPECT_EQ(committed["a"], 1);
  EXPECT_LE(committed["b"], 0);
}

TEST_F(ApacheAcls, ThatDenyTopicsOfAPatternAreReportedAndTheOthersAreRead) {
  Texts failures;
  std::mutex mutex;
  std::condition_variable changed;
  std::set<std::string> read;
  auto broker = kafka::new_broker(
      with_address(server_.address()), kafka::with_partition_watch_interval(100ms),
      with_error_handler([&](const Failure& failure) { failures.add(failure.error.to_string()); }));
  ASSERT_TRUE(broker && broker->connect(patience));
  const auto publish = [&](const std::string& topic, const std::string& text) {
    ASSERT_TRUE(broker->publish(topic, text, {.async = false}));
  };
  const auto is_read = [&](const std::string& text) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, patience, [&] { return read.contains(text); });
  };
  const auto is_reported = [&](const std::string& topic, const std::string& why) {
    std::unique_lock lock(failures.mutex);
    return failures.grown.wait_for(lock, patience, [&] {
      return std::ranges::any_of(failures.all, [&](const std::string& text) {
        return text.find(topic) != std::string::npos && text.find(why) != std::string::npos;
      });
    });
  };
  for (const char* topic : {"s.a", "s.b", "s.c"}) {
    ASSERT_TRUE(kafka::create_topic(*broker, topic, 1, 1));
    publish(topic, topic);
  }
  auto reader = broker->subscribe(kafka::pattern("s\\..*"),
                                  [&](const RawEvent& event) {
                                    const std::lock_guard lock(mutex);
                                    read.emplace(*event.body());
                                    changed.notify_all();
                                  },
                                  {.group_id = "g"});
  ASSERT_TRUE(reader) << reader.error().to_string();
  for (const char* topic : {"s.a", "s.b", "s.c"}) EXPECT_TRUE(is_read(topic)) << topic;
  // Write brings Describe: the topic is listed and cannot be read.
  allow("Write", "s.b");
  EXPECT_TRUE(is_reported("s.b", "TOPIC_AUTHORIZATION_FAILED"));
  publish("s.a", "later");
  EXPECT_TRUE(is_read("later"));
  // This does not bring Describe: the topic is listed no more.
  allow("AlterConfigs", "s.c");
  EXPECT_TRUE(is_reported("s.c", "no longer read"));
  publish("s.a", "last");
  EXPECT_TRUE(is_read("last"));
  for (const TopicPartition& each : reader->assignment()) EXPECT_NE(each.topic, "s.c");
  // The last commit may name the denied topics.
  const auto ended = reader->unsubscribe(patience);
  EXPECT_TRUE(ended ||
              ended.error().to_string().find("TOPIC_AUTHORIZATION_FAILED") != std::string::npos)
      << ended.error().to_string();
}

class ApacheRetention : public testing::Test {
 protected:
  static void read_one(Broker& broker, SubscribeOptions options) {
    options.start_offset = StartOffset::first();
    std::promise<void> handled;
    auto subscriber = broker.subscribe<std::string>(
        "t", [&](const std::string&) { handled.set_value(); }, std::move(options));
    ASSERT_TRUE(subscriber.has_value());
    ASSERT_EQ(handled.get_future().wait_for(patience), std::future_status::ready);
    ASSERT_TRUE(subscriber->unsubscribe().has_value());
  }
};

TEST_F(ApacheRetention, TimeExpiresTheOffsetsOfItsGroupAlone) {
  const ApacheKafkaServer server("-o offsets.retention.check.interval.ms=1000");
  auto broker = kafka::new_broker(with_address(server.address()), kafka::with_async(false));
  ASSERT_TRUE(broker.has_value());
  ASSERT_TRUE(broker->connect(patience).has_value());
  ASSERT_TRUE(kafka::create_topic(*broker, "t", 1, 1).has_value());
  ASSERT_TRUE(broker->publish("t", "hello").has_value());
  read_one(*broker, {.group_id = "kept"});
  read_one(*broker, {.group_id = "dropped", .retention_time = 1ms});
  read_one(*broker, {.reader_config = {.group_id = "dropped, too", .retention_time = 1ms}});
  auto client = Client::create({.bootstrap_servers = {server.address()}});
  ASSERT_TRUE(client.has_value());
  Admin admin = client->admin();
  const auto offsets = [&](const std::string& group) {
    auto found = admin.group_offsets(group);
    EXPECT_TRUE(found.has_value() || found.error().is_broker(69)) << found.error().to_string();
    return found ? found->size() : 0;
  };
  // The server looks once a second.
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (const std::string group : {"dropped", "dropped, too"}) {
    while (offsets(group) != 0 && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    EXPECT_EQ(offsets(group), 0u) << group;
  }
  EXPECT_EQ(offsets("kept"), 1u);
}

}  // namespace
}  // namespace dohle
