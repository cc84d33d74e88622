// Failures of handlers on ordinary groups: retries in place, retry topics, dead letters, redrive.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Pair;

constexpr auto patience = 20s;

const Error broken = Error::client(Errc::handler_failed, "no ink");

std::string header_of(const Message& message, std::string_view name) {
  const Header* const found = message.find_header(name);
  return found != nullptr && found->value ? *found->value : "absent";
}

/// Messages that handlers got on any thread.
class Seen {
 public:
  struct Item {
    std::string body, topic;
    int attempt = 0;
    Message message;
    steady_clock::time_point at;
  };
  void add(const RawEvent& event) {
    const std::lock_guard lock(mutex_);
    items_.push_back({std::string(event.body().value_or("null")), std::string(event.topic()),
                      event.attempt(), event.message(), steady_clock::now()});
    changed_.notify_all();
  }
  bool wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return items_.size() >= count; });
  }
  std::vector<Item> all() {
    const std::lock_guard lock(mutex_);
    return items_;
  }
  std::vector<std::string> bodies() {
    std::vector<std::string> bodies;
    for (const Item& each : all()) bodies.push_back(each.body);
    return bodies;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Item> items_;
};

/// Failures that the error handler got.
class Failures {
 public:
  void add(const Failure& failure) {
    const std::lock_guard lock(mutex_);
    all_.emplace_back(failure.kind, failure.error.to_string());
    changed_.notify_all();
  }
  bool wait_for(Failure::Kind kind, std::size_t count = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return of(kind).size() >= count; });
  }
  std::vector<std::string> texts(Failure::Kind kind) {
    const std::lock_guard lock(mutex_);
    return of(kind);
  }

 private:
  std::vector<std::string> of(Failure::Kind kind) const {
    std::vector<std::string> texts;
    for (const auto& [each, text] : all_) {
      if (each == kind) texts.push_back(text);
    }
    return texts;
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<Failure::Kind, std::string>> all_;
};

/// A broker on a node of its own with a topic "orders" of two partitions.
class OnNode : public testing::Test {
 protected:
  void SetUp() override {
    auto made = kafka::new_broker(
        {.addresses = {"embedded:memory"},
         .max_wait = 20ms,
         .read_backoff_min = 5ms,
         .read_backoff_max = 20ms,
         .error_handler = [this](const Failure& failure) { failures_.add(failure); }});
    ASSERT_TRUE(made) << made.error().to_string();
    broker_.emplace(std::move(*made));
    ASSERT_TRUE(broker_->connect(patience));
    create("orders", {}, 2);
  }
  void TearDown() override {
    readers_.clear();
    if (!broker_) return;
    const auto ended = broker_->disconnect(patience);
    EXPECT_TRUE(ended) << ended.error().to_string();
  }

  void create(const std::string& topic, std::map<std::string, std::string> config = {},
              std::int32_t partitions = 2) {
    auto created = admin().create_topics(
        {{.name = topic, .partitions = partitions, .replication_factor = 1, .config = config}});
    ASSERT_TRUE(created) << created.error().to_string();
    ASSERT_TRUE(created->at(0).result) << created->at(0).result.error().to_string();
  }
  Admin admin() { return broker_->client()->admin(); }
  void publish(const std::string& body, PublishOptions options = {}) {
    options.async = false;
    const auto sent = broker_->publish("orders", body, std::move(options));
    ASSERT_TRUE(sent) << sent.error().to_string();
  }
  Subscriber& read(auto handler, SubscribeOptions options, const std::string& topic = "orders") {
    auto reader = broker_->subscribe(topic, std::move(handler), std::move(options));
    EXPECT_TRUE(reader) << reader.error().to_string();
    readers_.push_back(*std::move(reader));
    return readers_.back();
  }
  std::string refusal(SubscribeOptions options) {
    const auto reader = broker_->subscribe("orders", [](RawEvent) {}, std::move(options));
    return reader ? "" : reader.error().to_string();
  }
  /// Reads a topic from its beginning.
  void watch(const std::string& topic, Seen& seen) {
    (void)read([&seen](RawEvent event) { seen.add(event); }, {.start_offset = StartOffset::first()},
               topic);
  }
  auto fails_into(Seen& seen) {
    return [&seen](RawEvent event) -> Result<void> {
      seen.add(event);
      return fail(broken);
    };
  }
  /// The group's committed offsets by partition.
  std::map<std::string, std::int64_t> committed(const std::string& group = "billing") {
    std::map<std::string, std::int64_t> found;
    auto offsets = admin().group_offsets(group);
    if (!offsets) return found;
    for (const GroupOffset& each : *offsets) {
      found[each.partition.topic + "-" + std::to_string(each.partition.partition.value)] =
          each.offset.value;
    }
    return found;
  }
  /// Waits until the group has committed so much of the topic.
  bool wait_for_commits(const std::string& topic, std::int64_t sum,
                        const std::string& group = "billing") {
    const auto deadline = steady_clock::now() + patience;
    for (;;) {
      std::int64_t now = 0;
      for (const auto& [partition, offset] : committed(group)) {
        if (partition == topic + "-0" || partition == topic + "-1") now += offset;
      }
      if (now >= sum) return now == sum;
      if (steady_clock::now() > deadline) return false;
    }
  }

  Failures failures_;
  Seen seen_, dead_, redriven_;
  std::optional<Broker> broker_;
  std::vector<Subscriber> readers_;
};

using RetryTopics = OnNode;
using DeadLetters = OnNode;
using RetriesInPlace = OnNode;
using Policies = OnNode;
using FailureDecisions = OnNode;
using Redrive = OnNode;

TEST_F(RetryTopics, handle_a_message_again_after_each_delay_and_then_dead_letter_it) {
  (void)read(fails_into(seen_), {.group_id = "billing",
                                 .max_retries = 1,
                                 .retry_delay = 1ms,
                                 .retry_topics = {100ms, 300ms},
                                 .failure_policy = FailurePolicy::dead_letter});
  publish("tea", {.key = "k", .headers = {{"trace", "t"}}, .partition = PartitionId{1}});
  ASSERT_TRUE(failures_.wait_for(Failure::Kind::handler));
  const auto all = seen_.all();
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].topic, "orders");
  EXPECT_EQ(all[1].topic, "orders");
  EXPECT_EQ(all[2].topic, "orders.billing.retry.100ms");
  EXPECT_EQ(all[3].topic, "orders.billing.retry.300ms");
  for (int i = 0; i < 4; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].attempt, i + 1);
  EXPECT_GE(all[2].at - all[1].at, 99ms);
  EXPECT_GE(all[3].at - all[2].at, 299ms);
  EXPECT_EQ(all[3].message.key(), "k");
  EXPECT_EQ(all[3].message.partition(), PartitionId{1});
  EXPECT_EQ(header_of(all[3].message, "trace"), "t");

  watch("orders.billing.dlt", dead_);
  ASSERT_TRUE(dead_.wait_for(1));
  const Message letter = dead_.all().at(0).message;
  EXPECT_EQ(letter.body(), "tea");
  EXPECT_EQ(letter.key(), "k");
  EXPECT_EQ(letter.partition(), PartitionId{1});
  EXPECT_EQ(header_of(letter, "trace"), "t");
  EXPECT_EQ(header_of(letter, "kafka_dlt-original-topic"), "orders");
  EXPECT_EQ(header_of(letter, "kafka_dlt-original-consumer-group"), "billing");
  EXPECT_EQ(header_of(letter, "kafka_dlt-exception-message"), "no ink");
  EXPECT_EQ(header_of(letter, "dohle-attempts"), "4");
  const auto texts = failures_.texts(Failure::Kind::handler);
  ASSERT_EQ(texts.size(), 1u) << "each failure is reported once";
  EXPECT_THAT(texts[0], HasSubstr("orders.billing.dlt-1 at offset 0"));
  EXPECT_TRUE(wait_for_commits("orders", 1));
  EXPECT_TRUE(wait_for_commits("orders.billing.retry.100ms", 1));
  EXPECT_TRUE(wait_for_commits("orders.billing.retry.300ms", 1));
}

TEST_F(RetryTopics, are_created_with_the_partitions_of_the_source_and_a_retention_that_fits) {
  (void)read([](RawEvent) {}, {.group_id = "billing",
                               .retry_topics = {5s, 24h * 10},
                               .failure_policy = FailurePolicy::dead_letter});
  const std::vector<std::string> names{"orders.billing.retry.5s", "orders.billing.retry.14400m",
                                       "orders.billing.dlt"};
  const auto described = admin().describe_topics(names);
  ASSERT_TRUE(described);
  for (const auto& topic : *described) {
    ASSERT_TRUE(topic.result) << topic.name;
    EXPECT_EQ(topic.result->partitions.size(), 2u) << topic.name;
  }
  const auto retention = [&](const std::string& topic) {
    const auto configs = admin().describe_configs({{.name = topic}});
    for (const ConfigEntry& each : configs->at(0).result.value()) {
      if (each.name == "retention.ms") return each.value.value_or("null");
    }
    return std::string("absent");
  };
  EXPECT_EQ(retention(names[0]), "604800000") << "a week";
  EXPECT_EQ(retention(names[1]), "1728000000") << "twice ten days";
}

TEST_F(RetryTopics, accept_the_largest_message_that_their_source_accepts) {
  create("small", {{"max.message.bytes", "2000"}});
  std::string body;
  for (std::uint32_t bits = 1; body.size() < 1'900; bits = bits * 1'664'525 + 1'013'904'223) {
    body += static_cast<char>(bits >> 24);
  }
  (void)read(fails_into(seen_),
             {.group_id = "billing",
              .max_retries = 0,
              .retry_topics = {1ms},
              .failure_policy = FailurePolicy::dead_letter},
             "small");
  ASSERT_TRUE(broker_->publish("small", body, {.async = false}));
  ASSERT_TRUE(failures_.wait_for(Failure::Kind::handler));
  EXPECT_TRUE(failures_.texts(Failure::Kind::redirect).empty());
  EXPECT_EQ(seen_.bodies(), (std::vector<std::string>{body, body}));
}

TEST_F(RetryTopics, accept_a_message_that_is_small_only_when_compressed) {
  create("small", {{"max.message.bytes", "2000"}});
  (void)read(
      fails_into(seen_),
      {.group_id = "billing", .max_retries = 0, .failure_policy = FailurePolicy::dead_letter},
      "small");
  auto client = broker_->client();
  ASSERT_TRUE(client);
  auto producer = client->producer({.compression = CompressionCodec::gzip});
  ASSERT_TRUE(producer);
  const std::string body(500'000, 'x');
  ASSERT_TRUE(producer->send("small", {.value = as_bytes(body)})->get());
  ASSERT_TRUE(failures_.wait_for(Failure::Kind::handler));
  EXPECT_TRUE(failures_.texts(Failure::Kind::redirect).empty());
}

TEST_F(RetryTopics, with_a_retention_below_their_delay_are_refused) {
  create("orders.billing.retry.10s", {{"retention.ms", "9999"}});
  const std::string why = refusal({.group_id = "billing", .retry_topics = {10s}});
  EXPECT_THAT(why, HasSubstr("orders.billing.retry.10s has retention.ms 9999"));
  create("orders.shop.retry.10s", {{"retention.ms", "10000"}});
  EXPECT_EQ(refusal({.group_id = "shop", .retry_topics = {10s}}), "");
}

TEST_F(RetryTopics, with_an_illegal_name_are_refused_with_the_advice_to_set_a_prefix) {
  EXPECT_THAT(refusal({.group_id = "a group", .retry_topics = {10s}}), HasSubstr("retry_prefix"));
  EXPECT_EQ(refusal({.group_id = "a group", .retry_topics = {10s}, .retry_prefix = "billing"}), "");
  EXPECT_TRUE(admin().describe_topics({"billing.retry.10s"})->at(0).result);
}

TEST_F(RetryTopics, have_the_prefix_in_place_of_topic_and_group) {
  (void)read(fails_into(seen_), {.group_id = "billing",
                                 .max_retries = 0,
                                 .retry_topics = {1ms, 20ms},
                                 .retry_prefix = "invoices",
                                 .failure_policy = FailurePolicy::dead_letter});
  publish("tea");
  ASSERT_TRUE(failures_.wait_for(Failure::Kind::handler));
  std::vector<std::string> topics;
  for (const auto& each : seen_.all()) topics.push_back(each.topic);
  EXPECT_THAT(topics, ElementsAre("orders", "invoices.retry.1ms", "invoices.retry.20ms"));
  watch("invoices.dlt", dead_);
  ASSERT_TRUE(dead_.wait_for(1));
  EXPECT_THAT(dead_.bodies(), ElementsAre("tea"));
  EXPECT_FALSE(admin().describe_topics({"orders.billing.dlt"})->at(0).result);
}

TEST_F(RetryTopics, have_the_largest_unit_of_their_delay_in_their_names) {
  EXPECT_EQ(refusal({.group_id = "billing", .retry_topics = {500ms, 5s, 10min}}), "");
  for (const char* delay : {"500ms", "5s", "10m"}) {
    const std::string name = "orders.billing.retry." + std::string(delay);
    EXPECT_TRUE(admin().describe_topics({name})->at(0).result) << name;
  }
}

TEST_F(RetryTopics, of_a_missing_topic_are_refused) {
  const auto reader = broker_->subscribe("missing", [](RawEvent) {},
                                         {.group_id = "billing", .retry_topics = {10s}});
  ASSERT_FALSE(reader);
  EXPECT_TRUE(reader.error().is(Errc::no_such_topic));
}

TEST_F(RetryTopics, of_one_group_are_not_read_by_another) {
  Seen other;
  const SubscribeOptions options{.max_retries = 0, .retry_topics = {50ms}};
  SubscribeOptions billing = options, shop = options;
  billing.group_id = "billing";
  shop.group_id = "shop";
  (void)read(fails_into(seen_), billing);
  (void)read(
      [&other](RawEvent event) -> Result<void> {
        other.add(event);
        if (event.topic() == "orders" && event.body() == "3") return fail(broken);
        return {};
      },
      shop);
  for (int i = 0; i < 10; ++i) publish(std::to_string(i));
  ASSERT_TRUE(seen_.wait_for(20));
  ASSERT_TRUE(other.wait_for(11));
  EXPECT_TRUE(wait_for_commits("orders.shop.retry.50ms", 1, "shop"));
  EXPECT_TRUE(wait_for_commits("orders", 10, "shop"));
  for (const auto& each : seen_.all()) EXPECT_THAT(each.topic, testing::Not(HasSubstr("shop")));
  for (const auto& each : other.all()) EXPECT_THAT(each.topic, testing::Not(HasSubstr("billing")));
  EXPECT_EQ(other.all().size(), 11u);
}

TEST_F(RetryTopics, that_refuse_a_large_message_leave_its_source_uncommitted_until_they_accept_it) {
  create("orders.billing.retry.50ms", {{"max.message.bytes", "100"}});
  (void)read(
      [this](RawEvent event) -> Result<void> {
        seen_.add(event);
        if (event.topic() == "orders" && event.body() == "bad") return fail(broken);
        return {};
      },
      {.group_id = "billing", .max_retries = 0, .retry_topics = {50ms}});
  publish("good", {.partition = PartitionId{0}});
  publish("bad", {.partition = PartitionId{0}});
  ASSERT_TRUE(failures_.wait_for(Failure::Kind::redirect));
  EXPECT_THAT(failures_.texts(Failure::Kind::redirect).at(0),
              HasSubstr("orders.billing.retry.50ms"));
  publish("after it", {.partition = PartitionId{0}});
  EXPECT_TRUE(wait_for_commits("orders", 1)) << "never past it";
  ASSERT_TRUE(admin().delete_topics({"orders.billing.retry.50ms"}));
  create("orders.billing.retry.50ms");
  EXPECT_TRUE(wait_for_commits("orders", 3));
  EXPECT_TRUE(wait_for_commits("orders.billing.retry.50ms", 1));
  const auto bodies = seen_.bodies();
  EXPECT_EQ(std::ranges::count(bodies, "bad"), 2);
  EXPECT_EQ(std::ranges::count(bodies, "after it"), 1);
}

TEST_F(RetryTopics, keep_the_order_of_their_messages) {
  (void)read(
      [this](RawEvent event) -> Result<void> {
        if (event.topic() == "orders") return fail(broken);
        seen_.add(event);
        return {};
      },
      {.group_id = "billing", .max_retries = 0, .retry_topics = {200ms}});
  std::vector<std::string> sent;
  for (int i = 0; i < 50; ++i) {
    sent.push_back(std::to_string(i));
    publish(sent.back(), {.partition = PartitionId{0}});
  }
  ASSERT_TRUE(seen_.wait_for(50));
  EXPECT_EQ(seen_.bodies(), sent);
}

TEST_F(RetryTopics, are_assigned_to_the_remaining_members_when_one_leaves) {
  const SubscribeOptions options{.group_id = "billing", .max_retries = 0, .retry_topics = {700ms}};
  const auto handler = [this](RawEvent event) -> Result<void> {
    if (event.topic() == "orders") return fail(broken);
    seen_.add(event);
    return {};
  };
  auto one = broker_->subscribe("orders", handler, options);
  auto two = broker_->subscribe("orders", handler, options);
  ASSERT_TRUE(one && two);
  ASSERT_TRUE(one->wait_ready(patience));
  ASSERT_TRUE(two->wait_ready(patience));
  std::set<std::string> sent;
  for (int i = 0; i < 20; ++i) {
    publish(std::to_string(i), {.partition = PartitionId{i % 2}});
    sent.insert(std::to_string(i));
  }
  EXPECT_TRUE(wait_for_commits("orders", 20)) << "all wait for their retry";
  ASSERT_TRUE(one->unsubscribe(patience));
  ASSERT_TRUE(seen_.wait_for(20));
  const auto bodies = seen_.bodies();
  EXPECT_EQ(std::set<std::string>(bodies.begin(), bodies.end()), sent);
  EXPECT_TRUE(two->unsubscribe(patience));
}

TEST_F(RetryTopics, are_read_from_their_beginning_whatever_the_start_offset) {
  publish("before");
  auto& reader = read(
      [this](RawEvent event) -> Result<void> {
        seen_.add(event);
        return event.topic() == "orders" ? fail(broken) : Result<void>{};
      },
      {.group_id = "billing",
       .max_retries = 0,
       .retry_topics = {20ms},
       .start_offset = StartOffset::last()});
  ASSERT_TRUE(reader.wait_ready(patience));
  publish("after");
  ASSERT_TRUE(seen_.wait_for(2));
  EXPECT_THAT(seen_.bodies(), ElementsAre("after", "after"));
}

TEST_F(RetryTopics, are_read_from_their_beginning_if_their_committed_offset_is_out_of_range) {
  const std::string retry = "orders.billing.retry.20ms";
  create(retry);
  ASSERT_TRUE(broker_->publish(retry, "waits", {.partition = PartitionId{0}, .async = false}));
  {
    auto client = broker_->client();
    ASSERT_TRUE(client);
    auto member = client->consumer({.group_id = "billing", .auto_commit = false});
    ASSERT_TRUE(member);
    const TopicPartition place{retry, PartitionId{0}};
    ASSERT_TRUE(member->assign({place}));
    const auto stored = member->commit_sync({{place, {.offset = Offset{100}}}});
    ASSERT_TRUE(stored) << stored.error().to_string();
  }
  (void)read([this](RawEvent event) { seen_.add(event); },
             {.group_id = "billing", .retry_topics = {20ms}, .start_offset = StartOffset::last()});
  ASSERT_TRUE(seen_.wait_for(1));
  EXPECT_THAT(seen_.bodies(), ElementsAre("waits"));
}

TEST_F(RetryTopics, that_are_created_again_with_fewer_partitions_store_messages_of_all) {
  (void)read(
      [this](RawEvent event) -> Result<void> {
        seen_.add(event);
        return event.topic() == "orders" ? fail(broken) : Result<void>{};
      },
      {.group_id = "billing", .max_retries = 0, .retry_topics = {20ms}});
  ASSERT_TRUE(admin().delete_topics({"orders.billing.retry.20ms"}));
  create("orders.billing.retry.20ms", {}, 1);
  publish("tea", {.partition = PartitionId{1}});
  ASSERT_TRUE(seen_.wait_for(2));
  EXPECT_THAT(seen_.bodies(), ElementsAre("tea", "tea"));
  EXPECT_TRUE(wait_for_commits("orders", 1));
}

// A member stores retries with its own time.
TEST_F(RetryTopics, accept_messages_whose_time_is_ahead_of_the_servers_clock) {
  (void)read(
      [](RawEvent) {},
      {.group_id = "billing", .retry_topics = {5s}, .failure_policy = FailurePolicy::dead_letter});
  const auto ahead = std::chrono::system_clock::now() + 5h;
  for (const char* topic : {"orders.billing.retry.5s", "orders.billing.dlt"}) {
    const auto stored =
        broker_->publish(topic, "tea", {.timestamp = to_timestamp(ahead), .async = false});
    EXPECT_TRUE(stored) << topic << ": " << stored.error().to_string();
  }
}

TEST_F(RetryTopics, are_chosen_by_retry_after) {
  (void)read(
      [this](RawEvent event) -> Result<void> {
        seen_.add(event);
        if (event.attempt() > 1) return {};
        EXPECT_TRUE(event.retry_after(1h).error().is(Errc::invalid_argument));
        return event.retry_after(60ms);
      },
      {.group_id = "billing", .retry_topics = {50ms, 100ms}});
  publish("tea");
  ASSERT_TRUE(seen_.wait_for(2));
  EXPECT_EQ(seen_.all()[1].topic, "orders.billing.retry.100ms");
  EXPECT_TRUE(wait_for_commits("orders", 1));
}

struct Order {
  int number = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, number)
};

TEST_F(DeadLetters, take_messages_that_cannot_be_decoded_without_a_retry) {
  auto reader = broker_->subscribe<Order>(
      "orders", [](Order) {},
      {.group_id = "billing", .retry_topics = {1h}, .failure_policy = FailurePolicy::dead_letter});
  ASSERT_TRUE(reader);
  ASSERT_TRUE(broker_->publish("orders", Order{1}, {.async = false}));
  publish("no JSON");
  ASSERT_TRUE(failures_.wait_for(Failure::Kind::decode));
  watch("orders.billing.dlt", dead_);
  ASSERT_TRUE(dead_.wait_for(1));
  EXPECT_EQ(dead_.all()[0].body, "no JSON");
  EXPECT_EQ(header_of(dead_.all()[0].message, "dohle-attempts"), "1");
  EXPECT_EQ(header_of(dead_.all()[0].message, "kafka_dlt-exception-fqcn"), "codec_failed");
  EXPECT_TRUE(wait_for_commits("orders", 2));
}

TEST_F(DeadLetters, take_a_message_whose_error_is_permanent_without_a_retry) {
  (void)read(
      [this](RawEvent event) -> Result<void> {
        seen_.add(event);
        return fail(permanent(broken));
      },
      {.group_id = "billing", .retry_topics = {1h}, .failure_policy = FailurePolicy::dead_letter});
  publish("tea");
  ASSERT_TRUE(failures_.wait_for(Failure::Kind::handler));
  EXPECT_EQ(seen_.all().size(), 1u);
}

TEST_F(DeadLetters, keep_tombstones_and_empty_bodies) {
  (void)read(
      fails_into(seen_),
      {.group_id = "billing", .max_retries = 0, .failure_policy = FailurePolicy::dead_letter});
  PublishOptions options{.partition = PartitionId{0}, .async = false};
  ASSERT_TRUE(broker_->publish("orders", Message().with_tombstone().with_key("k"), options));
  publish("", {.partition = PartitionId{0}});
  ASSERT_TRUE(failures_.wait_for(Failure::Kind::handler, 2));
  watch("orders.billing.dlt", dead_);
  ASSERT_TRUE(dead_.wait_for(2));
  EXPECT_THAT(dead_.bodies(), ElementsAre("null", ""));
}

TEST_F(DeadLetters, need_a_group) {
  EXPECT_THAT(refusal({.failure_policy = FailurePolicy::dead_letter}), HasSubstr("group_id"));
}

TEST_F(DeadLetters, that_cannot_be_stored_pause_their_partition) {
  (void)read(
      [this](RawEvent event) -> Result<void> {
        seen_.add(event);
        return event.body() == "bad" ? fail(broken) : Result<void>{};
      },
      {.group_id = "billing", .max_retries = 0, .failure_policy = FailurePolicy::dead_letter});
  ASSERT_TRUE(admin().delete_topics({"orders.billing.dlt"}));
  publish("bad", {.partition = PartitionId{0}});
  ASSERT_TRUE(failures_.wait_for(Failure::Kind::redirect));
  publish("after it", {.partition = PartitionId{0}});
  publish("elsewhere", {.partition = PartitionId{1}});
  ASSERT_TRUE(wait_for_commits("orders", 1)) << "of the other partition alone";
  create("orders.billing.dlt");
  EXPECT_TRUE(wait_for_commits("orders", 3));
  EXPECT_EQ(failures_.texts(Failure::Kind::handler).size(), 1u);
}

// Four handlers are there, so the second message of the key could be handled during the wait.
TEST_F(RetriesInPlace, keep_the_order_of_their_key) {
  (void)read(
      [this](RawEvent event) -> Result<void> {
        seen_.add(event);
        return event.body() == "first" && event.attempt() < 3 ? fail(broken) : Result<void>{};
      },
      {.group_id = "billing", .concurrency = 4, .retry_delay = 50ms});
  for (const char* body : {"first", "second", "third"}) {
    publish(body, {.key = "k", .partition = PartitionId{0}});
  }
  ASSERT_TRUE(seen_.wait_for(5));
  EXPECT_THAT(seen_.bodies(), ElementsAre("first", "first", "first", "second", "third"));
}

TEST_F(Policies, follow_an_error_an_exception_and_a_nack_and_not_success) {
  (void)read(
      [this](RawEvent event) -> Result<void> {
        seen_.add(event);
        if (event.body() == "error") return fail(broken);
        if (event.body() == "exception") throw std::runtime_error("no paper");
        if (event.body() == "nack") return event.nack(broken);
        return {};
      },
      {.group_id = "billing", .max_retries = 0, .failure_policy = FailurePolicy::dead_letter});
  for (const char* body : {"good", "error", "exception", "nack"}) {
    publish(body, {.partition = PartitionId{0}});
  }
  ASSERT_TRUE(failures_.wait_for(Failure::Kind::handler, 3));
  watch("orders.billing.dlt", dead_);
  ASSERT_TRUE(dead_.wait_for(3));
  EXPECT_THAT(dead_.bodies(), ElementsAre("error", "exception", "nack"));
  EXPECT_TRUE(wait_for_commits("orders", 4));
}

TEST_F(Policies, stop_ends_the_subscription_before_the_failed_message) {
  auto& reader = read(
      [this](RawEvent event) -> Result<void> {
        seen_.add(event);
        return event.body() == "bad" ? fail(broken) : Result<void>{};
      },
      {.group_id = "billing", .max_retries = 0, .failure_policy = FailurePolicy::stop});
  for (const char* body : {"good", "bad", "later"}) publish(body, {.partition = PartitionId{0}});
  ASSERT_TRUE(failures_.wait_for(Failure::Kind::handler));
  const auto ended = reader.unsubscribe(patience);
  ASSERT_FALSE(ended);
  EXPECT_THAT(ended.error().to_string(), HasSubstr("no ink"));
  EXPECT_THAT(seen_.bodies(), ElementsAre("good", "bad"));
  EXPECT_TRUE(wait_for_commits("orders", 1));
}

TEST_F(FailureDecisions, choose_how_each_failure_is_treated) {
  const auto decide = [](const Error& why, const RawEvent& event) {
    EXPECT_TRUE(why.is(Errc::handler_failed));
    if (event.body() == "skip") return FailureAction::skip;
    if (event.body() == "dead") return FailureAction::dead_letter;
    return FailureAction::retry;
  };
  auto& reader = read(
      fails_into(seen_),
      {.group_id = "billing", .max_retries = 1, .retry_delay = 1ms, .failure_decision = decide});
  for (const char* body : {"skip", "dead", "hold"}) publish(body, {.partition = PartitionId{0}});
  ASSERT_TRUE(failures_.wait_for(Failure::Kind::handler, 3));
  EXPECT_THAT(seen_.bodies(), ElementsAre("skip", "dead", "hold", "hold"));
  const auto held = reader.held();
  ASSERT_EQ(held.size(), 1u);
  EXPECT_EQ(held[0].offset, Offset{2});
  watch("orders.billing.dlt", dead_);
  ASSERT_TRUE(dead_.wait_for(1));
  EXPECT_THAT(dead_.bodies(), ElementsAre("dead"));
  EXPECT_TRUE(wait_for_commits("orders", 2));
}

TEST_F(Redrive, puts_dead_letters_back_once) {
  std::atomic<bool> is_mended{false};
  (void)read(
      [&](RawEvent event) -> Result<void> {
        seen_.add(event);
        return is_mended ? Result<void>{} : fail(broken);
      },
      {.group_id = "billing", .max_retries = 0, .failure_policy = FailurePolicy::dead_letter});
  for (int i = 0; i < 6; ++i) {
    publish(std::to_string(i), {.key = "k" + std::to_string(i),
                                .headers = {{"trace", "t"}},
                                .partition = PartitionId{i % 2}});
  }
  ASSERT_TRUE(failures_.wait_for(Failure::Kind::handler, 6));
  is_mended = true;
  const auto wanted = [](const Message& letter) {
    EXPECT_EQ(header_of(letter, "kafka_dlt-original-topic"), "orders");
    return letter.body() != "3";
  };
  const auto would =
      kafka::redrive(*broker_, "orders.billing.dlt", "orders", wanted, {.dry_run = true});
  ASSERT_TRUE(would) << would.error().to_string();
  EXPECT_EQ(would->read, 6u);
  EXPECT_EQ(would->redriven, 5u);
  EXPECT_EQ(would->refused, 1u);
  EXPECT_EQ(seen_.all().size(), 6u) << "a dry run publishes nothing";

  const auto done = kafka::redrive(*broker_, "orders.billing.dlt", "orders", wanted);
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_EQ(done->redriven, 5u);
  ASSERT_TRUE(seen_.wait_for(11));
  const auto all = seen_.all();
  for (std::size_t at = 6; at < 11; ++at) {
    const Message& back = all[at].message;
    EXPECT_EQ(back.key(), "k" + all[at].body);
    EXPECT_EQ(back.partition().value, std::stoi(all[at].body) % 2) << "its original partition";
    EXPECT_EQ(header_of(back, "trace"), "t");
    EXPECT_EQ(back.headers().size(), 1u) << "without those of the dead letter";
  }
  const auto again = kafka::redrive(*broker_, "orders.billing.dlt", "orders");
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(again->read, 0u) << "each once";
  const auto all_again = kafka::redrive(*broker_, "orders.billing.dlt", "orders", nullptr,
                                        {.dry_run = true, .from_first = true});
  ASSERT_TRUE(all_again);
  EXPECT_EQ(all_again->redriven, 6u);
}

TEST_F(Redrive, keeps_the_original_timestamps_unless_it_is_asked_for_new_ones) {
  std::atomic<bool> is_mended{false};
  (void)read(
      [&](RawEvent event) -> Result<void> {
        seen_.add(event);
        return is_mended ? Result<void>{} : fail(broken);
      },
      {.group_id = "billing", .max_retries = 0, .failure_policy = FailurePolicy::dead_letter});
  const Timestamp then = to_timestamp(std::chrono::system_clock::now() - 1h);
  publish("tea", {.timestamp = then});
  ASSERT_TRUE(failures_.wait_for(Failure::Kind::handler));
  is_mended = true;
  ASSERT_TRUE(kafka::redrive(*broker_, "orders.billing.dlt", "orders"));
  ASSERT_TRUE(seen_.wait_for(2));
  EXPECT_EQ(seen_.all()[1].message.timestamp(), then);
  ASSERT_TRUE(kafka::redrive(*broker_, "orders.billing.dlt", "orders", nullptr,
                             {.from_first = true, .new_timestamps = true}));
  ASSERT_TRUE(seen_.wait_for(3));
  EXPECT_GT(seen_.all()[2].message.timestamp(), then);
}

TEST_F(Redrive, puts_back_a_message_that_is_small_only_when_compressed) {
  create("small", {{"max.message.bytes", "3000"}});
  (void)read(
      fails_into(seen_),
      {.group_id = "billing", .max_retries = 0, .failure_policy = FailurePolicy::dead_letter},
      "small");
  auto client = broker_->client();
  ASSERT_TRUE(client);
  auto producer = client->producer(
      {.max_request_bytes = std::size_t{4} << 20, .compression = CompressionCodec::zstd});
  ASSERT_TRUE(producer) << producer.error().to_string();
  const std::string body(2'000'000, 'x');
  ASSERT_TRUE(producer->send("small", {.value = as_bytes(body)})->get());
  ASSERT_TRUE(failures_.wait_for(Failure::Kind::handler));
  const auto done = kafka::redrive(*broker_, "small.billing.dlt", "small");
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_EQ(done->redriven, 1u);
  ASSERT_TRUE(seen_.wait_for(2));
  EXPECT_EQ(seen_.all()[1].body.size(), body.size());
}

TEST_F(Redrive, names_the_topic_or_the_message_at_fault) {
  create("letters");
  const auto error = [&](const std::string& from, const std::string& to,
                         kafka::RedriveFilter filter = nullptr) {
    const auto done = kafka::redrive(*broker_, from, to, std::move(filter));
    return done ? "" : done.error().to_string();
  };
  EXPECT_THAT(error("missing", "orders"), HasSubstr("missing"));
  EXPECT_THAT(error("letters", "missing"), HasSubstr("missing"));
  EXPECT_THAT(error("letters", "letters"), HasSubstr("itself"));
  EXPECT_THAT(error("a b", "orders"), HasSubstr("a b"));
  EXPECT_EQ(error("letters", "orders"), "") << "it is empty";
  ASSERT_TRUE(broker_->publish("letters", "x", {.async = false}));
  EXPECT_THAT(error("letters", "orders",
                    [](const Message&) -> bool { throw std::runtime_error("no idea"); }),
              HasSubstr("no idea"));
  EXPECT_EQ(error("letters", "orders"), "") << "nothing was committed";
  auto seen = broker_->subscribe("orders", [this](RawEvent event) { seen_.add(event); },
                                 {.start_offset = StartOffset::first()});
  ASSERT_TRUE(seen_.wait_for(1));
}

}  // namespace
}  // namespace dohle
