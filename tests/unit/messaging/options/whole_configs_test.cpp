// WriterConfig and ReaderConfig: each field is effective, or refused with the reason.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/kafka.hpp"
#include "messaging/options/broker_properties.hpp"
#include "messaging/options/changed_options.hpp"
#include "messaging/options/settings.hpp"
#include "messaging/options/whole_configs.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;
using kafka::BrokerOptions;
using kafka::ReaderConfig;
using kafka::WriterConfig;
using testing::HasSubstr;
using Texts = std::vector<std::string>;

BrokerOptions broker_of(std::initializer_list<BrokerOption> given) {
  BrokerOptions options;
  for (const BrokerOption& each : given) each(options);
  return options;
}
std::string refusal(const BrokerOptions& options) {
  const auto checked = check(options);
  return checked ? std::string() : std::string(checked.error().message());
}
std::string refusal(const WriterConfig& config) {
  return refusal(broker_of({kafka::with_writer_config(config)}));
}
std::string refusal(const ReaderConfig& config) {
  return refusal(broker_of({kafka::with_reader_config(config)}));
}
std::string subscription_refusal(const ReaderConfig& config) {
  const auto read = read_settings("t", {.reader_config = config}, {});
  return read ? std::string() : std::string(read.error().message());
}

TEST(WriterConfig, SetsTheOptionsThatItsFieldsMean) {
  const auto logger = silent_logger();
  const auto errors = silent_logger();
  int completed = 0;
  const auto balancer = kafka::Balancer::hash();
  const auto set = broker_of({kafka::with_writer_config({
      .balancer = balancer,
      .max_attempts = 4,
      .batch_size = 7,
      .batch_bytes = 1'000,
      .batch_timeout = 3ms,
      .read_timeout = 4s,
      .write_timeout = 5s,
      .required_acks = Acks::leader,
      .async = false,
      .logger = logger,
      .error_logger = errors,
      .allow_auto_topic_creation = true,
      .completion = [&](const SettledBatch&) { ++completed; },
  })});
  EXPECT_EQ(refusal(set), "");
  EXPECT_EQ(set.balancer, balancer);
  EXPECT_EQ(set.publish_max_attempts, 4);
  EXPECT_EQ(set.batch_size, 7u);
  EXPECT_EQ(set.batch_bytes, 1'000u);
  EXPECT_EQ(set.batch_timeout, 3ms);
  EXPECT_EQ(set.read_timeout, 4s);
  EXPECT_EQ(set.write_timeout, 5s);
  EXPECT_EQ(default_acks(set), Acks::leader);
  EXPECT_FALSE(set.async);
  EXPECT_EQ(set.logger, logger);
  EXPECT_EQ(set.error_logger, errors);
  EXPECT_TRUE(set.allow_publish_auto_topic_creation);
  set.completion({});
  EXPECT_EQ(completed, 1);
  EXPECT_EQ(set.writer_config, WriterConfig{}) << "nothing is left to be refused";
}

TEST(WriterConfig, KeepsTheDefaultsOfAbsentFields) {
  const auto set = broker_of({kafka::with_writer_config({})});
  EXPECT_EQ(changed_options(BrokerOptions{}, {kafka::with_writer_config({})}), "");
  EXPECT_EQ(default_acks(set), Acks::all);
  EXPECT_TRUE(set.async);
}

TEST(WriterConfig, IsAppliedInTheOrderOfTheOptions) {
  const WriterConfig config{.batch_size = 7};
  EXPECT_EQ(broker_of({kafka::with_batch_size(5), kafka::with_writer_config(config)}).batch_size,
            7u);
  EXPECT_EQ(broker_of({kafka::with_writer_config(config), kafka::with_batch_size(5)}).batch_size,
            5u);
  EXPECT_EQ(changed_options(BrokerOptions{}, {kafka::with_writer_config(config)}), "batch_size");
  EXPECT_EQ(
      changed_options(BrokerOptions{}, {kafka::with_writer_config({.brokers = Texts{"h:1"}})}),
      "writer_config");
}

TEST(WriterConfig, IsAppliedByNewBrokerAsAMember) {
  auto broker = kafka::new_broker(
      {.writer_config = {.batch_size = 7}, .reader_config = {.queue_capacity = 8}});
  ASSERT_TRUE(broker) << broker.error().to_string();
  EXPECT_EQ(broker->options().batch_size, 7u);
  EXPECT_EQ(broker->options().queue_capacity, 8u);
}

TEST(WriterConfig, IsRefusedWithOtherServersThanTheBrokers) {
  EXPECT_EQ(refusal(WriterConfig{.brokers = Texts{"127.0.0.1:9092"}}), "");
  EXPECT_EQ(refusal(WriterConfig{.brokers = Texts{"127.0.0.1"}}), "");
  EXPECT_EQ(refusal(WriterConfig{.brokers = Texts{"h:1", "h:2"}}),
            "writer_config.brokers is h:1,h:2; a broker has one set of addresses, which is "
            "127.0.0.1:9092: set that, and leave brokers out");
  EXPECT_EQ(refusal(broker_of({kafka::with_writer_config({.brokers = Texts{"h:1", "h:2"}}),
                               with_address("h:2", "h:1"), kafka::with_writer_config({})})),
            "");
  EXPECT_THAT(refusal(broker_of({kafka::with_writer_config({.brokers = Texts{"h:1"}}),
                                 kafka::with_writer_config({.batch_size = 5})})),
              HasSubstr("writer_config.brokers is h:1"));
}

TEST(WriterConfig, IsRefusedWithANumberOfAcknowledgements) {
  EXPECT_EQ(refusal(WriterConfig{.required_acks = static_cast<Acks>(2)}),
            "required_acks is 2; allowed are none (0), leader (1) and all (-1), since Kafka "
            "counts no replicas");
}

TEST(WriterConfig, IsCheckedAgainstTheRangesOfTheEquivalentOptions) {
  EXPECT_EQ(refusal(WriterConfig{.batch_size = 0}), "batch_size is 0; allowed are 1 to 1000000");
  EXPECT_THAT(refusal(WriterConfig{.max_attempts = 0}), HasSubstr("publish_max_attempts is 0"));
}

const ReaderConfig all_of_reading{
    .group_id = "g",
    .queue_capacity = 7,
    .min_bytes = 8,
    .max_bytes = 9'000,
    .max_wait = 10ms,
    .read_batch_timeout = 11s,
    .read_lag_interval = 12s,
    .heartbeat_interval = 1s,
    .commit_interval = 2s,
    .session_timeout = 13s,
    .rebalance_timeout = 14s,
    .retention_time = 18min,
    .start_offset = StartOffset::last(),
    .read_backoff_min = 15ms,
    .read_backoff_max = 16ms,
    .max_attempts = 17,
};

void expect_all_of_reading(const auto& set) {
  EXPECT_EQ(set.group_id, "g");
  EXPECT_EQ(set.queue_capacity, 7u);
  EXPECT_EQ(set.min_bytes, 8u);
  EXPECT_EQ(set.max_bytes, 9'000u);
  EXPECT_EQ(set.max_wait, 10ms);
  EXPECT_EQ(set.read_batch_timeout, 11s);
  EXPECT_EQ(set.read_lag_interval, 12s);
  EXPECT_EQ(set.retention_time, 18min);
  EXPECT_EQ(set.heartbeat_interval, 1s);
  EXPECT_EQ(set.commit_interval, 2s);
  EXPECT_EQ(set.session_timeout, 13s);
  EXPECT_EQ(set.rebalance_timeout, 14s);
  EXPECT_EQ(set.start_offset, StartOffset::last());
  EXPECT_EQ(set.read_backoff_min, 15ms);
  EXPECT_EQ(set.read_backoff_max, 16ms);
  EXPECT_EQ(set.max_attempts, 17);
  EXPECT_EQ(set.reader_config, ReaderConfig{}) << "nothing is left to be refused";
}

TEST(ReaderConfig, SetsTheOptionsOfABrokerThatItsFieldsMean) {
  expect_all_of_reading(broker_of({kafka::with_reader_config(all_of_reading)}));
  const auto logger = silent_logger();
  const auto set = broker_of({kafka::with_reader_config({.dialer = kafka::Dialer{.timeout = 3s},
                                                         .partition_watch_interval = 7s,
                                                         .watch_partition_changes = false,
                                                         .logger = logger,
                                                         .error_logger = logger})});
  EXPECT_EQ(refusal(set), "");
  EXPECT_EQ(set.dialer_timeout, 3s);
  EXPECT_EQ(set.partition_watch_interval, 7s);
  EXPECT_FALSE(set.watch_partition_changes);
  EXPECT_EQ(set.logger, logger);
  EXPECT_EQ(set.error_logger, logger);
}

TEST(ReaderConfig, SetsTheOptionsOfASubscriptionThatItsFieldsMean) {
  const auto set = options_of<SubscribeOptions>(kafka::with_reader_config(all_of_reading));
  expect_all_of_reading(set);
  const auto one = options_of<SubscribeOptions>(
      kafka::with_reader_config({.topic = "t", .partition = PartitionId{3}}));
  EXPECT_EQ(one.partition, PartitionId{3});
  const auto read = read_settings("t", one, {});
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(read->plan.partition, PartitionId{3});
  const auto aggregate = read_settings("t", {.reader_config = all_of_reading}, {});
  ASSERT_TRUE(aggregate) << aggregate.error().to_string();
  EXPECT_EQ(aggregate->consumer.min_fetch_bytes, 8u);
}

TEST(ReaderConfig, IsRefusedWithFieldsWithoutAnEquivalentOption) {
  for (const auto& refused :
       {&subscription_refusal, static_cast<std::string (*)(const ReaderConfig&)>(&refusal)}) {
    EXPECT_THAT(refused({.brokers = Texts{"h:1"}}), HasSubstr("reader_config.brokers is h:1"));
    EXPECT_EQ(refused({.group_topics = Texts{"a", "b"}}),
              "reader_config.group_topics is a,b; subscribe takes several topics: give them to "
              "it");
    EXPECT_EQ(refused({.group_balancers = Texts{"range"}}), "");
    EXPECT_EQ(refused({.group_balancers = Texts{"range", "roundrobin"}}),
              "reader_config.group_balancers is range,roundrobin; the members of a group use range "
              "alone in this release");
    EXPECT_EQ(refused({.join_group_backoff = 5s}),
              "reader_config.join_group_backoff is 5000 ms; a member joins again after the "
              "properties retry.backoff.ms to retry.backoff.max.ms: set those");
    EXPECT_EQ(refused({.isolation_level = kafka::IsolationLevel::read_uncommitted}), "");
    EXPECT_EQ(refused({.isolation_level = kafka::IsolationLevel::read_committed}),
              "reader_config.isolation_level is read_committed; this release has no transactions "
              "and reads uncommitted");
    EXPECT_EQ(refused({.offset_out_of_range_error = false}), "");
    EXPECT_EQ(refused({.offset_out_of_range_error = true}),
              "reader_config.offset_out_of_range_error is true; a subscription whose offset the "
              "log has no more goes on at start_offset");
  }
}

TEST(ReaderConfig, IsRefusedIfAFieldBelongsToTheOtherCall) {
  EXPECT_EQ(refusal(ReaderConfig{.topic = "t"}),
            "reader_config.topic is t; subscribe names its topic");
  EXPECT_EQ(refusal(ReaderConfig{.partition = PartitionId{3}}),
            "reader_config.partition is 3; it is a subscription's: give it to subscribe");
  EXPECT_EQ(subscription_refusal({.topic = "other"}),
            "reader_config.topic is other; the subscription is to t");
  EXPECT_EQ(subscription_refusal({.partition_watch_interval = 7s}),
            "reader_config.partition_watch_interval is 7000 ms; it is the broker's: give it to "
            "new_broker");
  EXPECT_EQ(subscription_refusal({.watch_partition_changes = true}),
            "reader_config.watch_partition_changes is true; it is the broker's: give it to "
            "new_broker");
  EXPECT_EQ(subscription_refusal({.dialer = kafka::Dialer{}}),
            "reader_config.dialer is set; it is the broker's: give it to new_broker");
  EXPECT_EQ(subscription_refusal({.logger = silent_logger()}),
            "reader_config.logger is set; it is the broker's: give it to new_broker");
  EXPECT_EQ(subscription_refusal({.error_logger = silent_logger()}),
            "reader_config.error_logger is set; it is the broker's: give it to new_broker");
}

}  // namespace
}  // namespace dohle::messaging
