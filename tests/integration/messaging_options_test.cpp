// Options of publishing.
#include <atomic>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/tracer.hpp"
#include "options_fixture.hpp"
#include "unit/telemetry/recorded_spans.hpp"
#include "wire/batch.hpp"
#include "wire/messages/fetch.hpp"
#include "wire/messages/metadata.hpp"
#include "wire/messages/produce.hpp"

namespace dohle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class BrokerOption : public Options {};
class PublishOption : public Options {};

PartitionId second_partition(std::string_view topic, const Record&, std::int32_t partitions) {
  EXPECT_EQ(topic, "t");
  EXPECT_EQ(partitions, 3);
  return PartitionId{1};
}

TEST_F(BrokerOption, balancer_of_round_robin_counts_messages_with_and_without_keys) {
  connect(kafka::with_round_robin_balancer(2));
  EXPECT_THAT((std::vector{publish(), publish(kafka::with_message_key("c")), publish(), publish()}),
              ElementsAre(0, 0, 1, 1));
}

TEST_F(BrokerOption, balancer_is_shared_by_all_pipelines_and_by_publishes_that_name_it) {
  connect(kafka::with_round_robin_balancer());
  EXPECT_THAT((std::vector{publish(), publish(with_publish_required_acks(Acks::leader)),
                           publish(kafka::with_round_robin_balancer()), publish()}),
              ElementsAre(0, 1, 2, 0));
}

// Of the key "c" murmur2 is 1, crc32 0 and fnv1a 2, modulo 3.
TEST_F(BrokerOption, balancer_chooses_by_the_key) {
  connect();
  EXPECT_EQ(publish(kafka::with_message_key("c")), 1);
  broker_.reset();
  connect(kafka::with_crc32_balancer());
  EXPECT_EQ(publish(kafka::with_message_key("c")), 0);
  broker_.reset();
  connect(kafka::with_hash_balancer());
  EXPECT_EQ(publish(kafka::with_message_key("c")), 2);
}

TEST_F(PublishOption, balancer_is_effective_on_every_call) {
  connect();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(publish(kafka::with_balancer(second_partition)), 1);
    EXPECT_EQ(publish(kafka::with_message_key("c"), kafka::with_crc32_balancer()), 0);
    EXPECT_EQ(publish(kafka::with_message_key("c"), kafka::with_hash_balancer()), 2);
    EXPECT_EQ(publish(kafka::with_message_key("c"), kafka::with_reference_hash_balancer()), 0);
    EXPECT_EQ(publish(kafka::with_message_key("c"), kafka::with_murmur2_balancer()), 1);
    EXPECT_EQ(
        publish(kafka::with_message_key("c"), kafka::with_hash_balancer([](Bytes) { return 1u; })),
        1);
  }
}

TEST_F(PublishOption, balancer_of_least_bytes_remembers_the_bytes_that_it_sent) {
  connect();
  const auto least = kafka::with_least_bytes_balancer();
  EXPECT_EQ(publish(kafka::with_message_key("a key of many bytes"), least), 0);
  EXPECT_EQ(publish(least), 1);
  EXPECT_EQ(publish(least), 2);
  EXPECT_EQ(publish(least), 1);
}

TEST_F(PublishOption, balancer_is_overridden_by_the_partition_of_a_message) {
  connect();
  EXPECT_EQ(publish(PublishOptions{.partition = PartitionId{2},
                                   .balancer = kafka::Balancer::function(second_partition)}),
            2);
}

TEST_F(PublishOption, balancer_without_a_function_and_with_an_impossible_choice_is_refused) {
  connect();
  const auto empty = broker_->publish("t", "text", kafka::with_balancer(PartitionChoice()));
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().message(), "balancer is an empty function");
  const auto outside = broker_->publish(
      "t", "text", kafka::with_balancer([](std::string_view, const Record&, std::int32_t) {
        return PartitionId{3};
      }));
  ASSERT_FALSE(outside);
  EXPECT_TRUE(outside.error().is(Errc::no_such_partition));
}

TEST_F(PublishOption, callback_and_balancer_apply_to_the_same_publish) {
  std::atomic<int> stored_in{-1};
  connect();
  ASSERT_TRUE(broker_->publish("t", "text", kafka::with_balancer(second_partition),
                               with_publish_callback([&](const Result<Receipt>& receipt) {
                                 stored_in = receipt ? receipt->partition.value : -2;
                               })));
  ASSERT_TRUE(broker_->flush(patience));
  EXPECT_EQ(stored_in, 1);
}

TEST_F(BrokerOption, completion_gets_each_batch_before_a_synchronous_publish_returns) {
  connect(kafka::with_completion(std::ref(completions_)), kafka::with_async(false));
  for (const char* text : {"one", "two"}) {
    ASSERT_TRUE(broker_->publish("t", text, PublishOptions{.partition = PartitionId{1}}));
  }
  EXPECT_THAT(completions_.lines(), ElementsAre("t-1 from 0: one", "t-1 from 1: two"));
}

TEST_F(BrokerOption, completion_ends_before_disconnect_returns) {
  connect(kafka::with_completion(std::ref(completions_)), kafka::with_batch_timeout(1s));
  for (const char* text : {"one", "two"}) {
    ASSERT_TRUE(broker_->publish("t", text, PublishOptions{.partition = PartitionId{1}}));
  }
  ASSERT_TRUE(broker_->disconnect(patience));
  EXPECT_THAT(completions_.lines(), ElementsAre("t-1 from 0: one two"));
}

/// Publishes to partition 1, and leaves the Delivery.
void put(Broker& broker, std::string_view text) {
  ASSERT_TRUE(broker.publish("t", text, PublishOptions{.partition = PartitionId{1}}));
}

TEST_F(BrokerOption, batch_size_makes_a_batch_due) {
  connect(kafka::with_completion(std::ref(completions_)), kafka::with_batch_timeout(1min),
          kafka::with_batch_size(3));
  put(*broker_, "a");
  put(*broker_, "b");
  put(*broker_, "c");
  EXPECT_TRUE(completions_.wait_for(1));
  EXPECT_THAT(completions_.lines(), ElementsAre("t-1 from 0: a b c"));
}

TEST_F(BrokerOption, batch_bytes_bounds_the_size_of_a_batch) {
  connect(kafka::with_completion(std::ref(completions_)), kafka::with_batch_timeout(1min),
          kafka::with_batch_bytes(512));
  const std::string first(400, 'a'), second(400, 'b');
  put(*broker_, first);
  put(*broker_, second);
  EXPECT_TRUE(completions_.wait_for(1));
  EXPECT_THAT(completions_.lines(), ElementsAre("t-1 from 0: " + first));
}

TEST_F(BrokerOption, batch_timeout_bounds_the_wait_of_a_batch_for_more_messages) {
  connect(kafka::with_completion(std::ref(completions_)), kafka::with_batch_timeout(300ms));
  publish(with_publish_async(false));
  const auto begin = std::chrono::steady_clock::now();
  put(*broker_, "a");
  EXPECT_TRUE(completions_.wait_for(2));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 300ms);
}

TEST_F(BrokerOption, completion_that_throws_is_logged_and_loses_nothing) {
  std::mutex mutex;
  std::string logged;
  const auto logger =
      function_logger(LogLevel::warning, [&](LogLevel, std::string_view, std::string_view line) {
        const std::lock_guard lock(mutex);
        logged += line;
      });
  connect(kafka::with_error_logger(logger),
          kafka::with_completion([](const SettledBatch&) { throw std::runtime_error("no disk"); }));
  publish();
  ASSERT_TRUE(broker_->disconnect(patience));
  const std::lock_guard lock(mutex);
  EXPECT_THAT(logged, HasSubstr("a completion threw: no disk"));
}

TEST_F(BrokerOption, logger_gets_the_warnings_if_there_is_no_error_logger) {
  connect(kafka::with_logger(logger_into(lines_, LogLevel::warning)),
          kafka::with_completion([](const SettledBatch&) { throw std::runtime_error("no disk"); }));
  publish();
  ASSERT_TRUE(broker_->disconnect(patience));
  EXPECT_THAT(lines_.all(), testing::Contains(HasSubstr("a completion threw: no disk")));
}

TEST_F(BrokerOption, enable_error_logger_switches_warnings_off) {
  connect(kafka::with_logger(logger_into(lines_, LogLevel::warning)),
          kafka::with_enable_error_logger(false),
          kafka::with_completion([](const SettledBatch&) { throw std::runtime_error("no disk"); }));
  publish();
  ASSERT_TRUE(broker_->disconnect(patience));
  EXPECT_THAT(lines_.all(), testing::IsEmpty());
}

TEST_F(BrokerOption, async_makes_publish_return_before_the_acknowledgement) {
  connect(kafka::with_async(false), kafka::with_batch_timeout(1min));
  EXPECT_TRUE(broker_->publish("t", "text")->is_done());
  const auto later = broker_->publish("t", "text", with_publish_async(true));
  ASSERT_TRUE(later);
  EXPECT_FALSE(later->is_done());
}

TEST_F(PublishOption, async_overrides_that_of_the_broker) {
  connect(kafka::with_batch_timeout(1min));
  EXPECT_TRUE(broker_->publish("t", "text", with_publish_async(false))->is_done());
}

TEST_F(BrokerOption, allow_publish_auto_topic_creation_creates_the_topic) {
  connect(kafka::with_allow_publish_auto_topic_creation(true));
  const auto sent = broker_->publish("new", "text", with_publish_async(false));
  EXPECT_TRUE(sent) << sent.error().to_string();
}

TEST_F(PublishOption, offset_is_known_to_middlewares) {
  Offset seen;
  connect(with_publish_middlewares({[&](PublishHandler next) -> PublishHandler {
    return [&seen, next = std::move(next)](std::string_view topic, Message& message) {
      seen = message.offset();
      return next(topic, message);
    };
  }}));
  publish(kafka::with_message_offset(Offset{42}));
  EXPECT_EQ(seen, Offset{42});
}

TEST_F(PublishOption, middlewares_run_inside_those_of_the_broker) {
  const auto noting = [this](std::string name) -> PublishMiddleware {
    return [this, name](PublishHandler next) -> PublishHandler {
      return [this, name, next](std::string_view topic, Message& message) {
        lines_.add(name);
        return next(topic, message);
      };
    };
  };
  connect(with_publish_middlewares({noting("broker")}));
  publish(with_publish_middlewares({noting("publish")}));
  EXPECT_THAT(lines_.all(), ElementsAre("broker", "publish"));
}

TEST_F(BrokerOption, metrics_are_not_counted_if_switched_off) {
  connect(with_metrics(false));
  publish();
  EXPECT_TRUE(broker_->metrics().metrics.empty());
  broker_.reset();
  connect();
  publish();
  EXPECT_EQ(broker_->metrics().value("dohle_producer_acknowledged_records_total"), 1);
}

TEST_F(BrokerOption, tracer_gets_a_span_of_each_publish) {
  const auto spans = std::make_shared<RecordedSpans>();
  connect(with_tracer(*make_tracer({.exporter = spans})));
  publish();
  ASSERT_TRUE(broker_->disconnect());
  ASSERT_EQ(spans->all().size(), 1u);
  EXPECT_EQ(spans->all().front().name, "send t");
}

/// Publishes, and returns the message that a subscription receives.
template <class... Given>
Message published(Broker& broker, Given&&... given) {
  std::promise<Message> received;
  std::atomic<bool> is_first = true;
  const auto reader = broker.subscribe(
      "t",
      [&](RawEvent event) {
        if (is_first.exchange(false)) received.set_value(event.message());
      },
      kafka::with_start_offset(StartOffset::first()));
  EXPECT_TRUE(reader) << reader.error().to_string();
  const auto sent =
      broker.publish("t", "text", with_publish_async(false), std::forward<Given>(given)...);
  EXPECT_TRUE(sent) << sent.error().to_string();
  auto message = received.get_future();
  if (message.wait_for(patience) == std::future_status::ready) return message.get();
  ADD_FAILURE() << "nothing was received";
  return {};
}

TEST_F(PublishOption, inject_trace_off_leaves_the_headers_alone) {
  const auto spans = std::make_shared<RecordedSpans>();
  connect(with_tracer(*make_tracer({.exporter = spans})));
  const Message received = published(*broker_, with_inject_trace(false),
                                     kafka::with_headers({{"baggage", "mine"}, {"other", "kept"}}));
  EXPECT_THAT(received.headers(), ElementsAre(Header{"baggage", "mine"}, Header{"other", "kept"}));
  EXPECT_EQ(spans->named("send t").size(), 1u);
}

TEST_F(PublishOption, key_reaches_the_reader) {
  connect();
  EXPECT_EQ(published(*broker_, kafka::with_message_key("k")).key(), "k");
}

TEST_F(PublishOption, headers_reach_the_reader) {
  connect();
  const std::vector<Header> headers{{"a", "1"}, {"a", "2"}};
  EXPECT_EQ(published(*broker_, kafka::with_headers(headers)).headers(), headers);
}

TEST_F(PublishOption, timestamp_reaches_the_reader) {
  connect();
  EXPECT_EQ(
      published(*broker_, [](PublishOptions& o) { o.timestamp = Timestamp{1'000}; }).timestamp(),
      Timestamp{1'000});
}

TEST_F(PublishOption, partition_is_that_of_the_stored_message) {
  connect();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(publish(PublishOptions{.partition = PartitionId{2}}), 2);
}

// A relay records the requests to the node.
class RecordedBrokerOption : public RecordedOptions {
 protected:
  /// The batch of the last Produce request.
  [[nodiscard]] Slice last_batch() const {
    const auto requests = node_.all<wire::ProduceRequest>();
    if (requests.empty()) return {};
    return requests.back().topic_data.at(0).partition_data.at(0).records->flatten().value();
  }
};
class RecordedPublishOption : public RecordedBrokerOption {};

TEST_F(RecordedBrokerOption, write_timeout_is_sent_with_each_publish) {
  connect(kafka::with_write_timeout(3'210ms));
  publish();
  EXPECT_EQ(node_.all<wire::ProduceRequest>().at(0).timeout_ms, 3'210);
}

TEST_F(RecordedBrokerOption, properties_reach_the_server) {
  connect(kafka::with_properties({{"enable.idempotence", "false"}}));
  publish();
  const auto header = wire::read_batch_header(last_batch().bytes());
  ASSERT_TRUE(header);
  EXPECT_TRUE(header->producer_id.is_none());
}

TEST_F(RecordedBrokerOption, enable_one_topic_one_writer_off_is_one_producer_for_all_topics) {
  connect(kafka::with_enable_one_topic_one_writer(false));
  ASSERT_TRUE(kafka::create_topic(*broker_, "other", 1, 1));
  std::vector<ProducerId> ids;
  for (const char* topic : {"t", "other"}) {
    ASSERT_TRUE(broker_->publish(topic, "text", with_publish_async(false)));
    ids.push_back(wire::read_batch_header(last_batch().bytes()).value().producer_id);
  }
  EXPECT_EQ(ids.at(0), ids.at(1));
}

TEST_F(RecordedBrokerOption, producer_options_reach_the_producers) {
  connect(kafka::with_producer_options([](ProducerOptions& o) { o.idempotence = false; }));
  publish();
  const auto header = wire::read_batch_header(last_batch().bytes());
  ASSERT_TRUE(header);
  EXPECT_TRUE(header->producer_id.is_none());
}

TEST_F(RecordedPublishOption, required_acks_reach_the_server) {
  connect();
  publish(with_publish_required_acks(Acks::leader));
  EXPECT_EQ(node_.all<wire::ProduceRequest>().at(0).acks, 1);
}

TEST_F(RecordedBrokerOption, required_acks_reach_the_server) {
  connect(with_publish_required_acks(Acks::leader));
  publish();
  EXPECT_EQ(node_.all<wire::ProduceRequest>().at(0).acks, 1);
}

TEST_F(RecordedBrokerOption, configs_reach_the_server) {
  connect(kafka::with_writer_config({.write_timeout = 4'321ms, .required_acks = Acks::leader}),
          kafka::with_reader_config({.max_wait = 123ms}));
  publish();
  const auto asked = node_.all<wire::ProduceRequest>().at(0);
  EXPECT_EQ(asked.timeout_ms, 4'321);
  EXPECT_EQ(asked.acks, 1);
  const auto reader = broker_->subscribe(
      "t", [](RawEvent) {},
      kafka::with_reader_config({
          .max_bytes = 76'543,
      }));
  ASSERT_TRUE(reader) << reader.error().to_string();
  ASSERT_TRUE(node_.wait_for<wire::FetchRequest>(1, patience));
  const auto fetch = node_.all<wire::FetchRequest>().front();
  EXPECT_EQ(fetch.max_wait_ms, 123);
  EXPECT_EQ(fetch.max_bytes, 76'543);
}

TEST_F(BrokerOption, writer_config_is_refused_with_other_servers) {
  const auto refused =
      kafka::new_broker(with_address("embedded:memory"),
                        kafka::with_writer_config({.brokers = std::vector<std::string>{"h:1"}}));
  ASSERT_FALSE(refused);
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("writer_config.brokers is h:1"));
}

TEST_F(BrokerOption, reader_config_is_refused_with_other_servers) {
  const auto refused =
      kafka::new_broker(with_address("embedded:memory"),
                        kafka::with_reader_config({.brokers = std::vector<std::string>{"h:1"}}));
  ASSERT_FALSE(refused);
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("reader_config.brokers is h:1"));
}

TEST_F(RecordedBrokerOption, compression_is_applied_to_the_batches) {
  connect(kafka::with_compression(CompressionCodec::zstd));
  publish();
  const auto header = wire::read_batch_header(last_batch().bytes());
  ASSERT_TRUE(header);
  EXPECT_EQ(header->compression(), wire::Compression::zstd);
}

TEST_F(RecordedBrokerOption, compression_level_makes_batches_smaller) {
  std::string text;
  for (int i = 0; i < 4'000; ++i) text += std::to_string(i * i) + " birds ";
  std::vector<std::size_t> sizes;
  for (const int level : {1, 9}) {
    connect(kafka::with_compression(CompressionCodec::gzip, level));
    ASSERT_TRUE(broker_->publish("t", text, with_publish_async(false)));
    sizes.push_back(last_batch().size());
  }
  EXPECT_LT(sizes.at(1), sizes.at(0));
}

/// Short enough that requests without an answer are given up at once.
template <class... Given>
auto impatient(Given... given) {
  return [given...](kafka::BrokerOptions& o) {
    o.read_timeout = o.write_timeout = 100ms;
    o.max_wait = 50ms;
    (given(o), ...);
  };
}

TEST_F(RecordedBrokerOption, publish_max_attempts_bounds_the_attempts_of_a_batch) {
  connect(impatient(kafka::with_publish_max_attempts(2)));
  node_.mute<wire::ProduceRequest>();
  const auto sent = broker_->publish("t", "text");
  ASSERT_TRUE(sent) << sent.error().to_string();
  EXPECT_FALSE(sent->wait(patience));
  EXPECT_TRUE(sent->is_done());
  EXPECT_EQ(node_.all<wire::ProduceRequest>().size(), 2u);
}

TEST_F(RecordedPublishOption, max_attempts_overrides_that_of_the_broker) {
  connect(impatient());
  node_.mute<wire::ProduceRequest>();
  const auto sent = broker_->publish("t", "text", with_publish_retries(1));
  ASSERT_TRUE(sent) << sent.error().to_string();
  EXPECT_FALSE(sent->wait(patience));
  EXPECT_TRUE(sent->is_done());
  EXPECT_EQ(node_.all<wire::ProduceRequest>().size(), 2u);
}

TEST_F(RecordedPublishOption, timeout_bounds_a_synchronous_publish) {
  // Without the timeout it ends after 5 s.
  connect(kafka::with_write_timeout(1s), kafka::with_read_timeout(1s),
          kafka::with_properties({{"delivery.timeout.ms", "5000"}}));
  publish();
  node_.mute_all();
  const auto begin = std::chrono::steady_clock::now();
  const auto refused =
      broker_->publish("t", "text", with_publish_async(false), with_publish_timeout(200ms));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 4s);
  node_.answer();
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::timed_out)) << refused.error().to_string();
}

TEST_F(PublishOption, acks_attempts_and_timeout_have_at_most_sixteen_combinations) {
  connect();
  for (int retries = 0; retries < 15; ++retries) publish(with_publish_retries(retries));
  publish(with_publish_retries(3));
  const auto refused =
      broker_->publish("t", "text", with_publish_async(true), with_publish_timeout(300ms));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::limit_reached));
  EXPECT_THAT(
      std::string(refused.error().message()),
      testing::StartsWith("a publish asks for acks all, timeout 300 ms, and a broker has at "
                          "most 16 combinations of acks, attempts and timeout; it has acks "
                          "all; acks all, max_attempts 1; acks all, max_attempts 2; "));
  publish();
}

TEST_F(PublishOption, timeout_of_an_asynchronous_publish_must_be_above_0) {
  auto nobody = kafka::new_broker(with_address("embedded:memory"));
  ASSERT_TRUE(nobody && nobody->connect(patience));
  ASSERT_TRUE(kafka::create_topic(*nobody, "t", 1, 1));
  auto sent = nobody->publish("t", "text", with_publish_async(true), with_publish_timeout(5s));
  ASSERT_TRUE(sent) << sent.error().to_string();
  EXPECT_TRUE(sent->get());
  const auto without =
      nobody->publish("t", "text", with_publish_async(true), with_publish_timeout(0ms));
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().message(), "timeout is 0 ms; it is allowed with async false only");
}

}  // namespace
}  // namespace dohle
