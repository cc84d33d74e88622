#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>

#include "dohle/broker.hpp"
#include "dohle/broker_options.hpp"
#include "messaging/options/option_properties.hpp"
#include "messaging/options/option_table.hpp"

// The options of the messaging API. From these rows come the checks of ranges, a subscription's
// values with the Broker's in place of absent ones, the members that properties of Kafka's clients
// set, the names of options that were changed after connect, and the comparison of
// docs/messaging.md with defaults and ranges (tests/integration/option_page.py).
//
// Two facts about options have no column:
// - "Before connect only" is true of every row of BrokerOptions and of no other row: `init` refuses
//   all changes of a connected Broker, and each call takes its own options.
// - "Secret" is a fact of the type. Passwords and keys are a `Secret` inside of `sasl`, `tls` and
//   `properties`, and nothing formats it. Errors that come from the rows hold names and numbers.

namespace dohle::messaging {

inline constexpr std::int64_t minute_ms = 60'000;
inline constexpr std::int64_t day_ms = 24 * 60 * minute_ms;
/// The longest string that requests about groups hold in all of their versions.
inline constexpr std::int64_t max_group_id_bytes = 32'767;

/// The options of reading, which the Broker has for all of its subscriptions, and each subscription
/// for itself.
template <class O, class C = ConsumerOptions>
inline constexpr auto reading_rows = std::make_tuple(
    option("group_id", &O::group_id)
        .from(0, max_group_id_bytes, "bytes")
        .meant_by("group.id", copy<&O::group_id, of_consumer, &C::group_id>),
    option("codec", &O::codec), option("content_type", &O::content_type),
    option("failure_policy", &O::failure_policy),
    option("start_offset", &O::start_offset).meant_by("auto.offset.reset", set_start_offset),
    option("queue_capacity", &O::queue_capacity).from(1, 1'000'000),
    option("min_bytes", &O::min_bytes)
        .from(1, INT32_MAX, "bytes")
        .meant_by("fetch.min.bytes", copy<&O::min_bytes, of_consumer, &C::min_fetch_bytes>),
    option("max_bytes", &O::max_bytes)
        .from(1'024, INT32_MAX, "bytes")
        .meant_by("fetch.max.bytes", copy<&O::max_bytes, of_consumer, &C::max_fetch_bytes>),
    option("max_wait", &O::max_wait)
        .from(0, minute_ms, "ms")
        .meant_by("fetch.max.wait.ms", copy<&O::max_wait, of_consumer, &C::max_fetch_wait>),
    option("heartbeat_interval", &O::heartbeat_interval)
        .from(1, day_ms, "ms")
        .of_groups()
        .meant_by("heartbeat.interval.ms",
                  copy<&O::heartbeat_interval, of_consumer, &C::heartbeat_interval>),
    option("session_timeout", &O::session_timeout)
        .from(1, day_ms, "ms")
        .of_groups()
        .meant_by("session.timeout.ms",
                  copy<&O::session_timeout, of_consumer, &C::session_timeout>),
    option("rebalance_timeout", &O::rebalance_timeout).from(0, 10 * minute_ms, "ms").of_groups(),
    option("max_poll_interval", &O::max_poll_interval)
        .from(1'000, day_ms, "ms")
        .of_groups()
        .meant_by("max.poll.interval.ms",
                  copy<&O::max_poll_interval, of_consumer, &C::max_poll_interval>),
    option("commit_interval", &O::commit_interval).from(0, day_ms, "ms").of_groups(),
    option("retention_time", &O::retention_time).from(1, 365 * day_ms, "ms").of_groups(),
    option("read_batch_timeout", &O::read_batch_timeout).from(1, 10 * minute_ms, "ms"),
    option("read_lag_interval", &O::read_lag_interval),
    option("read_lag_handler", &O::read_lag_handler),
    option("max_attempts", &O::max_attempts).from(1, INT32_MAX),
    option("read_backoff_min", &O::read_backoff_min).from(1, minute_ms, "ms"),
    option("read_backoff_max", &O::read_backoff_max).from(1, minute_ms, "ms"),
    option("consumer_options", &O::consumer_options));

template <>
struct OptionTable<kafka::BrokerOptions> {
  using O = kafka::BrokerOptions;
  using C = ClientOptions;
  using P = ProducerOptions;
  static constexpr auto rows = std::tuple_cat(
      std::make_tuple(
          option("addresses", &O::addresses).meant_by("bootstrap.servers", set_addresses),
          option("client_id", &O::client_id)
              .from(0, 249, "bytes")
              .meant_by("client.id", copy<&O::client_id, of_client, &C::client_id>),
          option("dialer_timeout", &O::dialer_timeout)
              .from(1, 10 * minute_ms, "ms")
              .meant_by("socket.connection.setup.timeout.ms",
                        copy<&O::dialer_timeout, of_client, &C::connect_timeout>),
          option("dialer_deadline", &O::dialer_deadline),
          option("dialer_function", &O::dialer_function),
          option("dialer_resolver", &O::dialer_resolver),
          option("dialer_local_address", &O::dialer_local_address),
          option("dialer_fallback_delay", &O::dialer_fallback_delay),
          option("dialer_keep_alive", &O::dialer_keep_alive),
          option("read_timeout", &O::read_timeout)
              .from(1, 10 * minute_ms, "ms")
              .meant_by("request.timeout.ms",
                        copy<&O::read_timeout, of_client, &C::request_timeout>),
          option("write_timeout", &O::write_timeout).from(1, 10 * minute_ms, "ms"),
          option("sasl", &O::sasl), option("tls", &O::tls),
          option("enable_secure", &O::enable_secure), option("properties", &O::properties),
          option("async", &O::async), option("batch_size", &O::batch_size).from(1, 1'000'000),
          option("batch_bytes", &O::batch_bytes)
              .from(512, std::int64_t{1} << 30, "bytes")
              .meant_by("batch.size", copy<&O::batch_bytes, of_producer, &P::batch_bytes>),
          option("batch_timeout", &O::batch_timeout)
              .from(0, minute_ms, "ms")
              .meant_by("linger.ms", copy<&O::batch_timeout, of_producer, &P::linger>),
          option("publish_max_attempts", &O::publish_max_attempts)
              .from(1, INT32_MAX)
              .meant_by("retries", set_publish_max_attempts),
          option("required_acks", &O::required_acks)
              .meant_by("acks", copy<&O::required_acks, of_producer, &P::acks>),
          option("dialer", &O::dialer), option("writer_config", &O::writer_config),
          option("reader_config", &O::reader_config), option("balancer", &O::balancer),
          option("completion", &O::completion), option("producer_options", &O::producer_options),
          option("enable_one_topic_one_writer", &O::enable_one_topic_one_writer),
          option("allow_publish_auto_topic_creation", &O::allow_publish_auto_topic_creation),
          option("compression", &O::compression).meant_by("compression.type", set_compression),
          option("compression_level", &O::compression_level),
          option("request_timeout", &O::request_timeout).from(1, day_ms, "ms"),
          option("reply_topic", &O::reply_topic),
          option("create_reply_topic", &O::create_reply_topic),
          option("request_body_codec", &O::request_body_codec),
          option("max_requests", &O::max_requests).from(1, 1'000'000)),
      reading_rows<O>,
      std::make_tuple(
          option("watch_partition_changes", &O::watch_partition_changes),
          option("partition_watch_interval", &O::partition_watch_interval).from(100, day_ms, "ms"),
          option("metrics", &O::metrics), option("tracer", &O::tracer),
          option("publish_middlewares", &O::publish_middlewares),
          option("subscribe_middlewares", &O::subscribe_middlewares),
          option("error_handler", &O::error_handler), option("logger", &O::logger),
          option("error_logger", &O::error_logger), option("enable_logger", &O::enable_logger),
          option("enable_error_logger", &O::enable_error_logger)));
};

template <>
struct OptionTable<PublishOptions> {
  using O = PublishOptions;
  static constexpr auto rows = std::make_tuple(
      option("key", &O::key), option("key_encoder", &O::key_encoder),
      option("body_codec", &O::body_codec), option("content_type", &O::content_type),
      option("headers", &O::headers), option("partition", &O::partition).from(-1, INT32_MAX),
      option("timestamp", &O::timestamp), option("offset", &O::offset),
      option("balancer", &O::balancer), option("max_attempts", &O::max_attempts).from(1, INT32_MAX),
      option("async", &O::async), option("timeout", &O::timeout).from(0, day_ms, "ms"),
      option("required_acks", &O::required_acks), option("callback", &O::callback),
      option("inject_trace", &O::inject_trace), option("middlewares", &O::middlewares));
};

template <>
struct OptionTable<RequestOptions> {
  using O = RequestOptions;
  static constexpr auto rows = std::make_tuple(
      option("timeout", &O::timeout).from(1, day_ms, "ms"), option("reply_topic", &O::reply_topic),
      option("create_reply_topic", &O::create_reply_topic), option("body_codec", &O::body_codec),
      option("publish", &O::publish));
};

template <>
struct OptionTable<SubscribeOptions> {
  using O = SubscribeOptions;
  static constexpr auto rows = std::tuple_cat(
      std::make_tuple(
          option("group_instance_id", &O::group_instance_id)
              .from(0, max_group_id_bytes, "bytes")
              .meant_by("group.instance.id", refuse_group_instance_id),
          option("auto_ack", &O::auto_ack), option("concurrency", &O::concurrency).from(1, 1'000),
          option("unordered", &O::unordered), option("batch_size", &O::batch_size).from(1, 100'000),
          option("batch_interval", &O::batch_interval).from(0, day_ms, "ms"),
          option("max_retries", &O::max_retries).from(0, 1'000'000),
          option("retry_delay", &O::retry_delay).from(0, 60 * minute_ms, "ms"),
          option("max_retry_delay", &O::max_retry_delay).from(0, 60 * minute_ms, "ms"),
          option("retry_topics", &O::retry_topics), option("retry_prefix", &O::retry_prefix),
          option("failure_decision", &O::failure_decision), option("filter", &O::filter),
          option("on_assigned", &O::on_assigned), option("on_revoked", &O::on_revoked),
          option("on_lost", &O::on_lost), option("on_idle", &O::on_idle),
          option("idle_after", &O::idle_after).from(1, day_ms, "ms"),
          option("ack_timeout", &O::ack_timeout).from(0, day_ms, "ms"),
          option("max_unacknowledged", &O::max_unacknowledged).from(1, INT32_MAX),
          option("max_unacknowledged_bytes", &O::max_unacknowledged_bytes)
              .from(1, INT64_MAX, "bytes"),
          option("middlewares", &O::middlewares),
          option("auto_create_topic", &O::auto_create_topic),
          option("reader_config", &O::reader_config),
          option("partition", &O::partition).from(-1, INT32_MAX)),
      reading_rows<O>);
};

/// `own` with the Broker's values in place of absent options of reading. Other options of the two
/// tables have equal names and another meaning: batch_size of a Broker is that of its producers.
[[nodiscard]] inline SubscribeOptions merged(SubscribeOptions own,
                                             const kafka::BrokerOptions& broker) {
  constexpr std::size_t count = std::tuple_size_v<decltype(reading_rows<SubscribeOptions>)>;
  [&]<std::size_t... i>(std::index_sequence<i...> /*rows*/) {
    (..., fill_absent(std::get<i>(reading_rows<SubscribeOptions>).of(own),
                      std::get<i>(reading_rows<kafka::BrokerOptions>).of(broker)));
  }(std::make_index_sequence<count>());
  return own;
}

}  // namespace dohle::messaging
