#include "messaging/options/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "messaging/embedded/embedded_address.hpp"
#include "messaging/events/event_pool.hpp"
#include "messaging/options/changed_options.hpp"
#include "messaging/publish/publish_chain.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::string refusal(const kafka::BrokerOptions& options) {
  const auto checked = check(options);
  return checked ? std::string() : std::string(checked.error().message());
}
std::string refusal(const RequestOptions& options) {
  const auto checked = check(options);
  return checked ? std::string() : std::string(checked.error().message());
}
std::string refusal(const SubscribeOptions& options) {
  const auto read = read_settings("t", options, {});
  return read ? std::string() : std::string(read.error().message());
}

TEST(BrokerOptions, have_valid_defaults) {
  EXPECT_EQ(refusal(kafka::BrokerOptions{}), "");
}

TEST(BrokerOptions, are_refused_with_name_value_and_range) {
  EXPECT_EQ(refusal(kafka::BrokerOptions{.batch_size = 0}),
            "batch_size is 0; allowed are 1 to 1000000");
  EXPECT_THAT(refusal(kafka::BrokerOptions{.addresses = {}}), HasSubstr("addresses is empty"));
  EXPECT_THAT(refusal(kafka::BrokerOptions{.addresses = {"::1"}}), HasSubstr("address \"::1\""));
  EXPECT_THAT(refusal(kafka::BrokerOptions{.addresses = {"h:99999"}}), HasSubstr("HOST:PORT"));
  EXPECT_THAT(refusal(kafka::BrokerOptions{.addresses = {"h:0"}}), HasSubstr("HOST:PORT"));
  EXPECT_THAT(refusal(kafka::BrokerOptions{.addresses = {"embedded:memory", "h:1"}}),
              HasSubstr("must be the only one"));
  EXPECT_THAT(refusal(kafka::BrokerOptions{.batch_timeout = -1ms}),
              HasSubstr("batch_timeout is -1"));
  EXPECT_THAT(refusal(kafka::BrokerOptions{.compression_level = 3}),
              HasSubstr("compression_level"));
  EXPECT_THAT(refusal(kafka::BrokerOptions{.start_offset = StartOffset::at(Offset{7})}),
              HasSubstr("with partition only"));
  EXPECT_THAT(refusal(kafka::BrokerOptions{.heartbeat_interval = 50s}),
              HasSubstr("less than session_timeout, 45000 ms"));
}

TEST(BrokerOptions, HaveALoginOfTheirOwn) {
  kafka::BrokerOptions plain;
  kafka::with_plain_mechanism("alice", "first secret")(plain);
  kafka::BrokerOptions scram;
  kafka::with_scram_mechanism(kafka::ScramAlgorithm::sha512, "bob", "second secret")(scram);
  EXPECT_EQ(client_options(plain, nullptr).sasl,
            (SaslOptions{SaslMechanism::plain, "alice", Secret("first secret")}));
  EXPECT_EQ(client_options(scram, nullptr).sasl,
            (SaslOptions{SaslMechanism::scram_sha_512, "bob", Secret("second secret")}));
  EXPECT_EQ(refusal(plain), "");
  EXPECT_EQ(refusal(scram), "");
  EXPECT_FALSE(client_options({}, nullptr).sasl.has_value());
}

TEST(BrokerOptions, HaveTlsOfTheirOwn) {
  EXPECT_FALSE(client_options({}, nullptr).tls.has_value());
  kafka::BrokerOptions options;
  with_enable_secure(true)(options);
  EXPECT_EQ(refusal(options), "");
  EXPECT_EQ(client_options(options, nullptr).tls, TlsOptions{});
  const TlsOptions own{.trust = {.ca_file = "/ca.pem"}};
  with_tls(own)(options);
  EXPECT_EQ(refusal(options), "");
  EXPECT_EQ(client_options(options, nullptr).tls, own);
  kafka::BrokerOptions off;
  with_enable_secure(false)(off);
  EXPECT_EQ(refusal(off), "");
  EXPECT_FALSE(client_options(off, nullptr).tls.has_value());
}

TEST(BrokerOptions, AreRefusedWithContradictingTls) {
  kafka::BrokerOptions options;
  with_tls({})(options);
  with_enable_secure(false)(options);
  EXPECT_THAT(refusal(options), HasSubstr("enable_secure is false and tls is set"));
  options.enable_secure.reset();
  options.addresses = {"embedded:memory"};
  EXPECT_THAT(refusal(options), HasSubstr("tls is set and the address is embedded:memory"));
  options.tls.reset();
  options.enable_secure = true;
  EXPECT_THAT(refusal(options), HasSubstr("an embedded node has no TLS"));
}

TEST(BrokerOptions, AreRefusedWithAnImpossibleLogin) {
  kafka::BrokerOptions options;
  kafka::with_plain_mechanism("", "secret")(options);
  EXPECT_THAT(refusal(options), HasSubstr("sasl: username is empty"));
  kafka::with_plain_mechanism("alice", "")(options);
  EXPECT_THAT(refusal(options), HasSubstr("sasl: password is not set"));
  kafka::with_plain_mechanism("alice", "secret")(options);
  options.addresses = {"embedded:memory"};
  EXPECT_THAT(refusal(options), HasSubstr("an embedded node takes no login"));
  EXPECT_THAT(refusal(options), testing::Not(HasSubstr("secret")));
}

ProducerOptions producer_of(std::initializer_list<BrokerOption> given, PipelineKey asked = {}) {
  kafka::BrokerOptions options;
  for (const BrokerOption& each : given) each(options);
  return producer_options(options, asked).value();
}

TEST(WriteTimeout, BoundsTheServerAndTheAnswerMayTakeReadTimeoutLonger) {
  EXPECT_EQ(producer_of({}).ack_timeout, 10s);
  EXPECT_EQ(producer_of({}).request_timeout, 20s);
  const auto own = producer_of({kafka::with_write_timeout(3s), kafka::with_read_timeout(2s)});
  EXPECT_EQ(own.ack_timeout, 3s);
  EXPECT_EQ(own.request_timeout, 5s);
  EXPECT_EQ(refusal(kafka::BrokerOptions{.write_timeout = 0ms}),
            "write_timeout is 0 ms; allowed are 1 to 600000 ms");
}

TEST(WriteTimeout, AndReadTimeoutMayBothHaveTheirHighestValues) {
  const kafka::BrokerOptions reading{.read_timeout = 10min};
  EXPECT_EQ(refusal(reading), "");
  const kafka::BrokerOptions both{.read_timeout = 10min, .write_timeout = 10min};
  EXPECT_EQ(refusal(both), "");
  EXPECT_EQ(producer_options(both, {})->request_timeout, 20min);
  EXPECT_THAT(refusal(kafka::BrokerOptions{.read_timeout = 10min + 1ms}),
              HasSubstr("read_timeout is 600001 ms"));
}

TEST(MaxWait, MayBeLongerThanReadTimeout) {
  EXPECT_EQ(refusal(kafka::BrokerOptions{.read_timeout = 1s, .max_wait = 30s}), "");
  const auto settings = read_settings("t", {.max_wait = 30s}, {.read_timeout = 1s});
  ASSERT_TRUE(settings) << settings.error().to_string();
  EXPECT_EQ(settings->consumer.max_fetch_wait, 30s);
}

TEST(ReadLagInterval, MayBeNegativeForNever) {
  EXPECT_EQ(refusal(kafka::BrokerOptions{.read_lag_interval = -1ms}), "");
  EXPECT_EQ(refusal(SubscribeOptions{.read_lag_interval = -1min}), "");
  EXPECT_EQ(refusal(kafka::BrokerOptions{.read_lag_interval = 0ms}),
            "read_lag_interval is 0 ms; allowed are 100 to 86400000 ms");
  EXPECT_EQ(refusal(SubscribeOptions{.read_lag_interval = 99ms}),
            "read_lag_interval is 99 ms; allowed are 100 to 86400000 ms");
  kafka::BrokerOptions whole;
  kafka::with_reader_config({.read_lag_interval = -1s})(whole);
  EXPECT_EQ(refusal(whole), "");
  EXPECT_EQ(read_settings("t", {}, whole)->read_lag_interval, -1s);
}

TEST(PublishMaxAttempts, AreRetriesPlusOneAndTheLaterOptionApplies) {
  EXPECT_FALSE(producer_of({}).retries);
  EXPECT_EQ(producer_of({kafka::with_publish_max_attempts(4)}).retries, 3);
  EXPECT_EQ(producer_of({kafka::with_retries(7)}).retries, 7);
  EXPECT_EQ(producer_of({kafka::with_publish_max_attempts(4), kafka::with_retries(7)}).retries, 7);
  EXPECT_EQ(producer_of({kafka::with_retries(7), kafka::with_publish_max_attempts(4)}).retries, 3);
  EXPECT_EQ(producer_of({kafka::with_retries(7)}, {.max_attempts = 2}).retries, 1);
  kafka::BrokerOptions negative;
  kafka::with_retries(-1)(negative);
  EXPECT_THAT(refusal(negative), HasSubstr("publish_max_attempts is -1"));
}

TEST(WatchPartitionChanges, SwitchesTheWatchOff) {
  const auto watching = read_settings("t", {}, {.partition_watch_interval = 7s});
  EXPECT_EQ(watching->plan.partition_watch_interval, 7s);
  EXPECT_TRUE(watching->consumer.follow_new_partitions);
  const kafka::BrokerOptions off{.watch_partition_changes = false};
  const auto still = read_settings("t", {}, off);
  EXPECT_FALSE(still->plan.partition_watch_interval);
  EXPECT_FALSE(still->consumer.follow_new_partitions);
  EXPECT_EQ(client_options(off, nullptr).metadata_max_age, ClientOptions().metadata_max_age);
}

TEST(MaxAttempts, AreTakenFromTheSubscriptionOrElseFromTheBroker) {
  EXPECT_EQ(read_settings("t", {}, {})->max_attempts, 3);
  EXPECT_EQ(read_settings("t", {}, {.max_attempts = 5})->max_attempts, 5);
  EXPECT_EQ(read_settings("t", {.max_attempts = 2}, {.max_attempts = 5})->max_attempts, 2);
  EXPECT_EQ(refusal(kafka::BrokerOptions{.max_attempts = 0}),
            "max_attempts is 0; allowed are 1 to 2147483647");
}

TEST(Pipelines, WithATimeoutFailMessagesThatWereNotSentByThen) {
  const auto hurried = producer_of({}, {.timeout = 6ms});
  EXPECT_EQ(hurried.delivery_timeout, 6ms);
  EXPECT_EQ(hurried.max_block, 6ms);
  EXPECT_EQ(hurried.linger, 3ms);
}

TEST(BalancerNames, AreThoseOfTheDocs) {
  using enum kafka::BalancerName;
  for (const auto& [name, text] : {std::pair{least_bytes, "LeastBytes"},
                                   {round_robin, "RoundRobin"},
                                   {hash, "Hash"},
                                   {reference_hash, "ReferenceHash"},
                                   {crc32, "CRC32Balancer"},
                                   {murmur2, "Murmur2Balancer"}}) {
    EXPECT_EQ(to_string(name), text);
    EXPECT_EQ(kafka::parse_balancer_name(text), name);
    EXPECT_EQ(kafka::Balancer::named(name).name(), name);
  }
  const auto unknown = kafka::parse_balancer_name("crc32");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message(),
            "balancer is \"crc32\"; allowed are LeastBytes, RoundRobin, Hash, ReferenceHash, "
            "CRC32Balancer, Murmur2Balancer");
}

TEST(ReplyTopic, IsRefusedWithAnIllegalName) {
  const std::string why = "reply_topic: the topic name \"bad topic!\" has other characters";
  EXPECT_THAT(refusal(kafka::BrokerOptions{.reply_topic = "bad topic!"}), HasSubstr(why));
  EXPECT_THAT(refusal(RequestOptions{.reply_topic = "bad topic!"}), HasSubstr(why));
  EXPECT_EQ(refusal(kafka::BrokerOptions{.reply_topic = "replies"}), "");
  EXPECT_EQ(refusal(RequestOptions{.reply_topic = "replies"}), "");
  EXPECT_EQ(refusal(RequestOptions{.reply_topic = ""}), "");
}

TEST(ReplyTopic, IsRefusedWithNumbersThatNoTopicHas) {
  const std::string allowed = "; allowed are 1 to 100000, and -1 for the cluster's own default";
  for (const std::int32_t partitions : {-5, 0, 100'001}) {
    const ReplyTopicCreation creation{.partitions = partitions};
    const std::string why =
        "create_reply_topic (partitions) is " + std::to_string(partitions) + allowed;
    EXPECT_EQ(refusal(kafka::BrokerOptions{.create_reply_topic = creation}), why);
    EXPECT_EQ(refusal(RequestOptions{.create_reply_topic = creation}), why);
  }
  for (const std::int32_t partitions : {-1, 1, 100'000}) {
    const ReplyTopicCreation creation{.partitions = partitions};
    EXPECT_EQ(refusal(RequestOptions{.create_reply_topic = creation}), "");
  }
  EXPECT_THAT(
      refusal(RequestOptions{.create_reply_topic = ReplyTopicCreation{.replication_factor = 0}}),
      HasSubstr("create_reply_topic (replication_factor) is 0; allowed are 1 to 32767"));
}

TEST(ReplyTopic, IsTakenFromTheRequestOrTheBrokerOrMadeOfTheClientId) {
  EXPECT_EQ(reply_topic({.reply_topic = "own"}, {.reply_topic = "wide"}), "own");
  EXPECT_EQ(reply_topic({}, {.reply_topic = "wide"}), "wide");
  EXPECT_EQ(reply_topic({}, {}), "dohle.replies");
  EXPECT_EQ(reply_topic({.reply_topic = ""}, {.reply_topic = "wide"}), "dohle.replies");
  EXPECT_EQ(reply_topic({}, {.client_id = "nest 1:v2.0/a-b_c"}), "nest_1_v2.0_a-b_c.replies");
  EXPECT_EQ(reply_topic({}, {.client_id = ""}), ".replies");
  const kafka::BrokerOptions longest{.client_id = std::string(249, 'x')};
  EXPECT_EQ(refusal(longest), "");
  EXPECT_EQ(reply_topic({}, longest), std::string(241, 'x') + ".replies");
}

TEST(GroupIds, AreRefusedIfNoRequestCanHoldThem) {
  const std::string most(32'767, 'g');
  const std::string why = " (its length) is 32768 bytes; allowed are 0 to 32767 bytes";
  EXPECT_EQ(refusal(kafka::BrokerOptions{.group_id = most}), "");
  EXPECT_EQ(refusal(SubscribeOptions{.group_id = most, .group_instance_id = most}), "");
  EXPECT_EQ(refusal(kafka::BrokerOptions{.group_id = most + "g"}), "group_id" + why);
  EXPECT_EQ(refusal(SubscribeOptions{.group_id = most + "g"}), "group_id" + why);
  EXPECT_EQ(refusal(SubscribeOptions{.group_id = "g", .group_instance_id = most + "g"}),
            "group_instance_id" + why);
}

TEST(SubscribeOptions, are_refused_with_name_value_and_range) {
  EXPECT_EQ(refusal(SubscribeOptions{.concurrency = 0}), "concurrency is 0; allowed are 1 to 1000");
  EXPECT_THAT(refusal(SubscribeOptions{.max_retries = -1}), HasSubstr("max_retries is -1"));
  EXPECT_THAT(refusal(SubscribeOptions{.group_id = "g", .partition = PartitionId{1}}),
              HasSubstr("without a group only"));
  EXPECT_THAT(refusal(SubscribeOptions{.group_instance_id = "i"}), HasSubstr("group_id only"));
  EXPECT_THAT(refusal(SubscribeOptions{.auto_create_topic = AutoCreateTopic{"t", 0, 1}}),
              HasSubstr("auto_create_topic (partitions) is 0; allowed are 1 to 100000"));
  EXPECT_EQ(refusal(SubscribeOptions{.commit_interval = 5ms}),
            "commit_interval is 5 ms; it is allowed with a group_id only");
  EXPECT_EQ(refusal(SubscribeOptions{.group_id = "g", .commit_interval = 5ms}), "");
}

TEST(FailurePolicy, is_one_of_four_and_that_of_the_subscription_overrides_the_brokers) {
  EXPECT_THAT(refusal(kafka::BrokerOptions{.failure_policy = static_cast<FailurePolicy>(7)}),
              HasSubstr("failure_policy is 7"));
  EXPECT_THAT(refusal(SubscribeOptions{.failure_policy = static_cast<FailurePolicy>(7)}),
              HasSubstr("failure_policy is 7"));
  const kafka::BrokerOptions broker{.failure_policy = FailurePolicy::skip};
  EXPECT_EQ(read_settings("t", {}, {})->state.failure_policy, FailurePolicy::hold);
  EXPECT_EQ(read_settings("t", {}, broker)->state.failure_policy, FailurePolicy::skip);
  EXPECT_EQ(
      read_settings("t", {.failure_policy = FailurePolicy::stop}, broker)->state.failure_policy,
      FailurePolicy::stop);
}

TEST(SubscribeOptions, override_those_of_the_broker) {
  const auto read = read_settings("t", {.group_id = "own", .min_bytes = 7},
                                  {.group_id = "wide", .min_bytes = 3, .max_wait = 9ms});
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->consumer.group_id, "own");
  EXPECT_EQ(read->consumer.min_fetch_bytes, 7u);
  EXPECT_EQ(read->consumer.max_fetch_wait, 9ms);
  EXPECT_FALSE(read->consumer.auto_commit);
}

TEST(SubscribeOptions, do_not_take_the_batch_size_of_a_broker_which_is_that_of_its_producers) {
  const kafka::BrokerOptions broker{.batch_size = 1'000'000};
  EXPECT_EQ(refusal(broker), "");
  for (const Handing handing : {Handing::events, Handing::batches, Handing::pulls}) {
    const auto read = read_settings("t", {}, broker, handing);
    EXPECT_TRUE(read) << read.error().to_string();
  }
  EXPECT_EQ(read_settings("t", {}, broker, Handing::batches)->state.batches->size, 100u);
  EXPECT_EQ(read_settings("t", {.batch_size = 7}, broker, Handing::batches)->state.batches->size,
            7u);
}

TEST(SubscribeOptions, start_at_the_first_record_in_a_group_and_at_the_end_without) {
  EXPECT_EQ(read_settings("t", {.group_id = "g"}, {})->consumer.offset_reset,
            OffsetReset::earliest);
  EXPECT_EQ(read_settings("t", {}, {})->consumer.offset_reset, OffsetReset::latest);
  EXPECT_FALSE(read_settings("t", {}, {})->state.commits);
}

TEST(PublishOptions, are_refused_where_they_exclude_each_other) {
  EXPECT_TRUE(check(PublishOptions{.timeout = 1s}, true).has_value());
  EXPECT_TRUE(check(PublishOptions{.timeout = 1s}, false).has_value());
  EXPECT_FALSE(check(PublishOptions{.timeout = 0s}, true).has_value());
  EXPECT_TRUE(check(PublishOptions{.timeout = 0s}, false).has_value());
  EXPECT_TRUE(check(PublishOptions{}, true).has_value()) << "no timeout is no wish";
  EXPECT_FALSE(check(PublishOptions{.callback = [](auto&) {}}, false).has_value());
  EXPECT_FALSE(check(PublishOptions{.partition = PartitionId{-2}}, true).has_value());
}

TEST(EmbeddedAddress, names_a_directory_or_memory) {
  const auto directory = parse_embedded("embedded:./data/", "/home");
  ASSERT_TRUE(directory.has_value());
  EXPECT_EQ(directory->data_dir, "/home/data");
  EXPECT_EQ(directory->key, parse_embedded("embedded:/home/x/../data", "/")->key);
  const auto named = parse_embedded("embedded:memory/shop?listen=9092", "/");
  ASSERT_TRUE(named.has_value());
  EXPECT_EQ(named->data_dir, ":memory:");
  EXPECT_EQ(named->key, "memory/shop");
  EXPECT_EQ(named->listen_port, 9092);
  EXPECT_TRUE(parse_embedded("embedded:memory", "/")->is_private());
}

TEST(EmbeddedAddress, is_refused_with_the_allowed_forms) {
  for (const char* wrong :
       {"embedded:", "embedded:memory/", "embedded:memory/a/b", "embedded:d?port=1",
        "embedded:d?listen=70000", "embedded:d?listen=0", "kafka:9092"}) {
    const auto parsed = parse_embedded(wrong, "/");
    ASSERT_FALSE(parsed.has_value()) << wrong;
    EXPECT_THAT(std::string(parsed.error().message()), HasSubstr("embedded:memory/NAME"));
  }
}

TEST(Middlewares, wrap_the_handler_with_the_first_of_the_broker_outermost) {
  std::string order;
  const auto named = [&order](std::string name) -> PublishMiddleware {
    return [&order, name](PublishHandler next) -> PublishHandler {
      return [&order, name, next](std::string_view topic, Message& message) {
        order += name;
        return next(topic, message);
      };
    };
  };
  const PublishHandler innermost = [&order](std::string_view, Message&) -> Result<Delivery> {
    order += "send";
    return Delivery{};
  };
  Message message;
  const auto chain = wrapped<PublishMiddleware, PublishHandler>(
      {named("a "), named("b ")}, {named("c "), named("d ")}, innermost);
  EXPECT_TRUE(chain("t", message).has_value());
  EXPECT_EQ(order, "a b c d send");
}

TEST(Middlewares, see_an_exception_of_the_handler_as_the_error_of_next) {
  std::vector<std::string> seen;
  const auto look = [&seen](SubscribeHandler next) -> SubscribeHandler {
    return [&seen, next](RawEvent& event) {
      auto result = next(event);
      if (!result) seen.push_back(result.error().to_string());
      return result;
    };
  };
  const SubscribeMiddleware throws = [](SubscribeHandler next) -> SubscribeHandler {
    return [next](RawEvent& event) -> Result<void> {
      (void)next(event);
      throw 7;
    };
  };
  const SubscribeHandler handler = [](RawEvent&) -> Result<void> {
    throw std::runtime_error("no ink");
  };
  RawEvent event = EventAccess::make(nullptr);
  const auto result = wrapped<SubscribeMiddleware>({look}, {throws, look}, handler)(event);
  ASSERT_FALSE(result.has_value());
  EXPECT_TRUE(result.error().is(Errc::handler_failed));
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_NE(seen[0].find("the handler threw: no ink"), std::string::npos) << seen[0];
  EXPECT_NE(seen[1].find("a middleware threw an object that is no std::exception"),
            std::string::npos)
      << seen[1];
}

TEST(Middlewares, of_publish_see_an_exception_of_an_inner_one_as_the_error_of_next) {
  std::string seen;
  const PublishMiddleware look = [&seen](PublishHandler next) -> PublishHandler {
    return [&seen, next](std::string_view topic, Message& message) {
      auto result = next(topic, message);
      if (!result) seen = result.error().to_string();
      return result;
    };
  };
  const PublishMiddleware throws = [](PublishHandler) -> PublishHandler {
    return
        [](std::string_view, Message&) -> Result<Delivery> { throw std::runtime_error("no ink"); };
  };
  const PublishHandler last = [](std::string_view, Message&) -> Result<Delivery> {
    return Delivery{};
  };
  Message message("text");
  EXPECT_FALSE(wrapped<PublishMiddleware>({look}, {throws}, last)("t", message).has_value());
  EXPECT_NE(seen.find("a middleware threw: no ink"), std::string::npos) << seen;
}

TEST(Middlewares, with_one_that_returns_no_handler_make_no_handler) {
  const SubscribeMiddleware empty = [](SubscribeHandler) { return SubscribeHandler(); };
  const SubscribeMiddleware pass = [](SubscribeHandler next) { return next; };
  const SubscribeHandler handler = [](RawEvent&) { return Result<void>{}; };
  EXPECT_FALSE(wrapped<SubscribeMiddleware>({pass}, {empty}, handler));
}

TEST(Event, of_a_tombstone_throws_when_its_value_is_used) {
  const auto pool = EventPool::create(1);
  const RawEvent raw = EventAccess::make(pool->make());
  const auto event = EventAccess::typed<std::string>(raw, std::nullopt);
  EXPECT_FALSE(event.has_value());
  EXPECT_THROW((void)event.value(), std::logic_error);
  EXPECT_THROW((void)*event, std::logic_error);
  EXPECT_THROW((void)event->size(), std::logic_error);
  EXPECT_THROW((void)EventAccess::typed<std::string>(raw, std::nullopt).value(), std::logic_error);
}

TEST(ChangedOptions, are_named) {
  const kafka::BrokerOptions now{.group_id = "g", .error_handler = [](const Failure&) {}};
  EXPECT_EQ(changed_options(now, {kafka::with_async(true), with_group_id("g")}), "")
      << "both are so already";
  EXPECT_EQ(changed_options(
                now, {kafka::with_batch_size(7), with_group_id("h"),
                      kafka::with_start_offset(StartOffset::first()), with_error_handler(nullptr)}),
            "batch_size, group_id, start_offset, error_handler");
  EXPECT_EQ(changed_options(now, {kafka::with_plain_mechanism("alice", "hidden")}), "sasl");
  EXPECT_EQ(changed_options(now, {with_tls({}), with_enable_secure(true)}), "tls, enable_secure");
}

TEST(Merge, prefers_the_values_of_the_message_and_appends_headers) {
  Message message = Message("b").with_key("own").with_header("h", "1");
  merge({.key = "other", .headers = {{"h", "2"}}, .partition = PartitionId{4}}, message);
  EXPECT_EQ(message.key(), "own");
  EXPECT_EQ(message.partition(), PartitionId{4});
  EXPECT_EQ(message.headers().size(), 2u);
}

}  // namespace
}  // namespace dohle::messaging
