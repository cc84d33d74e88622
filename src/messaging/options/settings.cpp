#include "messaging/options/settings.hpp"

#include <algorithm>
#include <string_view>

#include "base/addresses.hpp"
#include "base/option_checks.hpp"
#include "base/random.hpp"
#include "base/topic_name.hpp"
#include "client/cluster/login.hpp"
#include "client/consume/consumer_options.hpp"
#include "client/make_client.hpp"
#include "client/produce/producer_options.hpp"
#include "messaging/embedded/embedded_address.hpp"
#include "messaging/options/broker_properties.hpp"
#include "messaging/options/option_rows.hpp"
#include "messaging/options/rest_options.hpp"
#include "messaging/options/subscribed_topics.hpp"
#include "messaging/options/whole_configs.hpp"
#include "messaging/publish/balancers.hpp"
#include "messaging/reports/reports.hpp"

namespace dohle::messaging {

namespace {

using std::chrono::milliseconds;

Result<void> check_below(std::string_view lower, milliseconds value, std::string_view upper,
                         milliseconds bound) {
  if (value < bound) return {};
  return fail(Error::configuration(std::string(lower) + " is " + std::to_string(value.count()) +
                                   " ms; allowed is less than " + std::string(upper) + ", " +
                                   std::to_string(bound.count()) + " ms"));
}

Result<void> check_embedded(const std::string& address, std::size_t of) {
  if (of > 1) {
    return fail(Error::configuration("address is " + address + ", one of " + std::to_string(of) +
                                     "; an embedded address must be the only one"));
  }
  auto parsed = parse_embedded(address, "/");
  if (!parsed) return fail(parsed.error());
  return {};
}

Result<void> check_addresses(const std::vector<std::string>& addresses) {
  if (addresses.empty()) {
    return fail(Error::configuration("addresses is empty; allowed are 1 to 1000 addresses"));
  }
  if (auto count =
          check_options({{"addresses (their number)", as_value(addresses.size()), 1, 1'000}});
      !count) {
    return count;
  }
  const bool has_embedded = std::ranges::any_of(addresses, is_embedded);
  for (const std::string& address : addresses) {
    if (!is_embedded(address)) continue;
    if (auto checked = check_embedded(address, addresses.size()); !checked) return checked;
  }
  if (has_embedded) return {};
  auto servers = parse_addresses(addresses);
  if (!servers) return fail(servers.error());
  return {};
}

Result<void> check_compression(CompressionCodec codec, std::optional<int> level) {
  auto known = check_enum("compression", codec,
                          {CompressionCodec::none, CompressionCodec::gzip, CompressionCodec::snappy,
                           CompressionCodec::lz4, CompressionCodec::zstd});
  if (!known) return known;
  if (!level) return {};
  switch (codec) {
    case CompressionCodec::gzip:
      return check_options({{"compression_level (gzip)", *level, 1, 9}});
    case CompressionCodec::lz4:
      return check_options({{"compression_level (lz4)", *level, 1, 17}});
    case CompressionCodec::zstd:
      return check_options({{"compression_level (zstd)", *level, -131'072, 22}});
    case CompressionCodec::none:
    case CompressionCodec::snappy:
      break;
  }
  return fail(Error::configuration("compression_level is " + std::to_string(*level) +
                                   "; it is allowed with gzip, lz4 and zstd only"));
}

Result<void> check_acks(const std::optional<Acks>& acks) {
  if (!acks || *acks == Acks::none || *acks == Acks::leader || *acks == Acks::all) return {};
  return fail(Error::configuration("required_acks is " + std::to_string(static_cast<int>(*acks)) +
                                   "; allowed are none (0), leader (1) and all (-1), since Kafka "
                                   "counts no replicas"));
}

Result<void> check_balancer(const std::optional<kafka::Balancer>& balancer) {
  if (!balancer || BalancerAccess::partitioner(*balancer)) return {};
  return fail(Error::configuration("balancer is an empty function"));
}

Result<void> check_middlewares(const auto& middlewares, std::string_view name) {
  for (const auto& middleware : middlewares) {
    if (!middleware) {
      return fail(Error::configuration(std::string(name) + " holds an empty function"));
    }
  }
  return {};
}

/// Checks options of reading. All are set.
Result<void> check_reading(const SubscribeOptions& reading) {
  auto backoff = check_options({{"read_backoff_max", reading.read_backoff_max->count(),
                                 reading.read_backoff_min->count(), minute_ms, "ms"}});
  if (!backoff) return backoff;
  if (auto known = check_enum("failure_policy", *reading.failure_policy,
                              {FailurePolicy::hold, FailurePolicy::skip, FailurePolicy::dead_letter,
                               FailurePolicy::stop});
      !known) {
    return known;
  }
  if (auto below = check_below("heartbeat_interval", *reading.heartbeat_interval, "session_timeout",
                               *reading.session_timeout);
      !below) {
    return below;
  }
  if (auto below = check_below("rebalance_timeout", *reading.rebalance_timeout, "max_poll_interval",
                               *reading.max_poll_interval);
      !below) {
    return below;
  }
  // If it is negative, the lag is not reported.
  if (*reading.read_lag_interval < milliseconds(0)) return {};
  return check_options(
      {{"read_lag_interval", reading.read_lag_interval->count(), 100, day_ms, "ms"}});
}

Result<void> check_start(const std::optional<StartOffset>& start, bool has_partition) {
  if (!start) return {};
  if (start->kind() == StartOffset::Kind::timestamp) {
    return check_options({{"start_offset (timestamp)", start->value(), 0, INT64_MAX, "ms"}});
  }
  if (start->kind() != StartOffset::Kind::offset) return {};
  if (!has_partition) {
    return fail(Error::configuration("start_offset is offset " + std::to_string(start->value()) +
                                     "; an offset is allowed with partition only"));
  }
  return check_options({{"start_offset", start->value(), 0, INT64_MAX}});
}

Result<void> check_topic(std::string_view option, std::string_view topic) {
  auto named = check_topic_name(topic);
  if (named) return {};
  return fail(
      Error::configuration(std::string(option) + ": " + std::string(named.error().message())));
}

/// `most`: the highest number that is allowed.
Result<void> check_number_or_default(const std::string& name, std::int64_t number,
                                     std::int64_t most) {
  if (number == -1 || (number >= 1 && number <= most)) return {};
  return fail(Error::configuration(name + " is " + std::to_string(number) + "; allowed are 1 to " +
                                   std::to_string(most) +
                                   ", and -1 for the cluster's own default"));
}

/// Checks the numbers of a topic that an option creates.
Result<void> check_creation(const std::string& option, std::int32_t partitions,
                            std::int16_t replication_factor) {
  auto count = check_number_or_default(option + " (partitions)", partitions, 100'000);
  if (!count) return count;
  return check_number_or_default(option + " (replication_factor)", replication_factor, INT16_MAX);
}

/// An empty topic stands for another one, which is legal.
Result<void> check_reply(const std::string& topic,
                         const std::optional<ReplyTopicCreation>& creation) {
  if (creation) {
    auto made =
        check_creation("create_reply_topic", creation->partitions, creation->replication_factor);
    if (!made) return made;
  }
  return topic.empty() ? Result<void>() : check_topic("reply_topic", topic);
}

Result<void> check_handling(const SubscribeOptions& own) {
  if (own.auto_create_topic) {
    const AutoCreateTopic& topic = *own.auto_create_topic;
    auto made = check_creation("auto_create_topic", topic.partitions, topic.replication_factor);
    if (!made) return made;
    if (auto named = check_topic("auto_create_topic", topic.topic); !named) return named;
  }
  if (own.idle_after && !own.on_idle) {
    return fail(Error::configuration("idle_after is " + std::to_string(own.idle_after->count()) +
                                     " ms; it is allowed with on_idle only"));
  }
  return check_middlewares(own.middlewares, "middlewares");
}

Result<void> check_exclusions(const std::string& group, const SubscribeOptions& own) {
  if (!group.empty() && !own.partition.is_none()) {
    return fail(Error::configuration("partition is " + std::to_string(own.partition.value) +
                                     "; it is allowed without a group only, and group_id is " +
                                     group));
  }
  if (!group.empty()) return {};
  if (!own.group_instance_id.empty()) {
    return fail(Error::configuration("group_instance_id is " + own.group_instance_id +
                                     "; it is allowed with a group_id only"));
  }
  Result<void> first;
  for_each_option<SubscribeOptions>([&](const auto& row) {
    if (!first || !row.needs_group) return;
    if (const auto number = number_of(row.of(own))) {
      first = fail(Error::configuration(std::string(row.name) + " is " + std::to_string(*number) +
                                        " " + std::string(row.unit) +
                                        "; it is allowed with a group_id only"));
    }
  });
  return first;
}

OffsetReset reset_of(const std::string& group, const std::optional<StartOffset>& start) {
  if (!start) return group.empty() ? OffsetReset::latest : OffsetReset::earliest;
  return start->kind() == StartOffset::Kind::last ? OffsetReset::latest : OffsetReset::earliest;
}

Result<void> check_security(const kafka::BrokerOptions& options) {
  if (options.tls && options.enable_secure == false) {
    return fail(
        Error::configuration("enable_secure is false and tls is set; leave out one of them"));
  }
  const std::string& address = options.addresses.front();
  if (!is_embedded(address)) return {};
  if (options.sasl) {
    return fail(Error::configuration("sasl is set and the address is " + address +
                                     "; an embedded node takes no login"));
  }
  if (options.tls || options.enable_secure == true) {
    return fail(Error::configuration((options.tls ? "tls is set and the address is "
                                                  : "enable_secure is true and the address is ") +
                                     address + "; an embedded node has no TLS"));
  }
  return {};
}

/// Absent values of `reading` are the Broker's.
Result<ConsumerOptions> consumer_options(const SubscribeOptions& reading,
                                         const kafka::BrokerOptions& broker) {
  ConsumerOptions made;
  made.group_id = *reading.group_id;
  made.group_instance_id = reading.group_instance_id;
  made.offset_reset = reset_of(made.group_id, reading.start_offset);
  made.auto_commit = false;
  if (!made.group_id.empty()) made.offset_retention = reading.retention_time;
  made.session_timeout = *reading.session_timeout;
  made.heartbeat_interval = *reading.heartbeat_interval;
  made.max_poll_interval = *reading.max_poll_interval;
  made.min_fetch_bytes = *reading.min_bytes;
  made.max_fetch_bytes = *reading.max_bytes;
  made.max_partition_fetch_bytes = std::min(made.max_partition_fetch_bytes, *reading.max_bytes);
  made.buffer_bytes = std::max(made.buffer_bytes, *reading.max_bytes);
  made.max_fetch_wait = *reading.max_wait;
  made.max_poll_records = std::max<std::size_t>(1, *reading.queue_capacity / 2);
  made.request_timeout = broker.read_timeout;
  made.fetch_timeout = reading.read_batch_timeout;
  made.follow_new_partitions = broker.watch_partition_changes;
  apply_properties(broker, made);
  return with_rest(std::move(made), reading.consumer_options);
}

/// Checks the options with which the producers and consumers of the client are created.
Result<void> check_client(const kafka::BrokerOptions& options) {
  auto producer = producer_options(options, {.acks = default_acks(options)});
  if (!producer) return fail(producer.error());
  if (auto checked = client::check(*producer); !checked) return checked;
  if (!options.consumer_options) return {};
  auto consumer = consumer_options(merged(SubscribeOptions{}, options), options);
  if (!consumer) return fail(consumer.error());
  return client::check(*consumer);
}

void set_connecting(const kafka::BrokerOptions& options, ClientOptions& client) {
  client.connect_timeout = options.dialer_timeout;
  client.connect_deadline = options.dialer_deadline;
  client.dial_function = options.dialer_function;
  client.resolver = options.dialer_resolver;
  client.local_address = options.dialer_local_address;
  client.fallback_delay = options.dialer_fallback_delay;
  client.keep_alive = options.dialer_keep_alive;
}

Result<void> check_connecting(const kafka::BrokerOptions& options) {
  ClientOptions client;
  set_connecting(options, client);
  if (auto checked = client::check_connecting(client, "dialer_"); !checked) return checked;
  const std::string& address = options.addresses.front();
  if (!is_embedded(address)) return {};
  const std::pair<bool, std::string_view> given[] = {
      {client.dial_function != nullptr, "dialer_function"},
      {client.resolver != nullptr, "dialer_resolver"},
      {!client.local_address.empty(), "dialer_local_address"},
      {client.fallback_delay.has_value(), "dialer_fallback_delay"},
      {client.keep_alive.has_value(), "dialer_keep_alive"}};
  for (const auto& [is_given, name] : given) {
    if (!is_given) continue;
    return fail(Error::configuration(std::string(name) + " is set and the address is " + address +
                                     "; an embedded node is reached without sockets"));
  }
  return {};
}

Result<void> check_members(const kafka::BrokerOptions& options) {
  if (auto addresses = check_addresses(options.addresses); !addresses) return addresses;
  if (auto ranges = check_ranges(options); !ranges) return ranges;
  if (auto configs = check_configs(options); !configs) return configs;
  if (auto acks = check_acks(options.required_acks); !acks) return acks;
  if (auto balancer = check_balancer(options.balancer); !balancer) return balancer;
  if (auto secured = check_security(options); !secured) return secured;
  if (auto connecting = check_connecting(options); !connecting) return connecting;
  if (options.sasl) {
    if (auto login = client::Login::check(*options.sasl); !login) return login;
  }
  if (auto level = check_compression(options.compression, options.compression_level); !level) {
    return level;
  }
  if (auto reply = check_reply(options.reply_topic, options.create_reply_topic); !reply) {
    return reply;
  }
  if (auto reading = check_reading(merged(SubscribeOptions{}, options)); !reading) return reading;
  if (auto start = check_start(options.start_offset, false); !start) return start;
  if (auto all = check_middlewares(options.publish_middlewares, "publish_middlewares"); !all) {
    return all;
  }
  return check_middlewares(options.subscribe_middlewares, "subscribe_middlewares");
}

/// Differs between subscriptions that start together in one process or in several.
std::uint64_t seed_of(const std::string& topic, const std::string& group) {
  const auto now = static_cast<std::uint64_t>(monotonic_now().time_since_epoch().count());
  return split_mixed(now ^ std::hash<std::string>{}(topic + " " + group));
}

}  // namespace

Result<void> check(const kafka::BrokerOptions& options) {
  if (auto checked = check_properties(options); !checked) return checked;
  if (auto checked = check_members(options); !checked) {
    return fail(with_property_name(checked.error(), options));
  }
  const auto of_client = check_client(options);
  return of_client ? of_client : fail(with_property_name(of_client.error(), options));
}

ClientOptions client_options(const kafka::BrokerOptions& options, std::shared_ptr<Logger> logger) {
  ClientOptions made;
  made.bootstrap_servers = options.addresses;
  made.client_id = options.client_id;
  set_connecting(options, made);
  made.request_timeout = options.read_timeout;
  made.sasl = options.sasl;
  made.tls = options.tls;
  if (options.enable_secure == true && !made.tls) made.tls.emplace();
  apply_properties(options, made);
  // A group finds new partitions of its topics by refreshing the metadata.
  if (options.watch_partition_changes) {
    made.metadata_max_age = std::min(made.metadata_max_age, options.partition_watch_interval);
  }
  made.logger = std::move(logger);
  return made;
}

Result<ProducerOptions> producer_options(const kafka::BrokerOptions& options,
                                         const PipelineKey& asked) {
  ProducerOptions made;
  made.acks = asked.acks;
  made.idempotence = asked.acks == Acks::all;
  made.linger = options.batch_timeout;
  made.batch_bytes = options.batch_bytes;
  made.batch_records = options.batch_size;
  made.max_request_bytes = std::max(made.max_request_bytes, options.batch_bytes);
  made.buffer_bytes = std::max(made.buffer_bytes, 2 * options.batch_bytes);
  made.ack_timeout = options.write_timeout;
  made.request_timeout = options.write_timeout + options.read_timeout;
  made.delivery_timeout =
      std::max(made.delivery_timeout, options.batch_timeout + made.request_timeout);
  made.compression = options.compression;
  made.compression_level = options.compression_level;
  made.allow_auto_create_topics = options.allow_publish_auto_topic_creation;
  apply_properties(options, made);
  auto rest = with_rest(std::move(made), options.producer_options);
  if (!rest) return rest;
  made = *std::move(rest);
  made.idempotence = made.idempotence && made.acks == Acks::all;
  const auto attempts = asked.max_attempts ? asked.max_attempts : options.publish_max_attempts;
  if (attempts) made.retries = *attempts - 1;
  if (asked.timeout) {
    made.delivery_timeout = *asked.timeout;
    made.max_block = std::min(made.max_block, *asked.timeout);
    made.linger = std::min<std::chrono::microseconds>(made.linger, *asked.timeout / 2);
  }
  return made;
}

Result<void> check(const PublishOptions& options, bool async) {
  if (auto acks = check_acks(options.required_acks); !acks) return acks;
  if (options.timeout == milliseconds(0) && async) {
    return fail(Error::configuration("timeout is 0 ms; it is allowed with async false only"));
  }
  if (auto balancer = check_balancer(options.balancer); !balancer) return balancer;
  if (auto ranges = check_ranges(options); !ranges) return ranges;
  if (options.callback && !async) {
    return fail(Error::configuration("callback is set; it is allowed with async true only"));
  }
  return check_middlewares(options.middlewares, "middlewares");
}

Result<void> check(const RequestOptions& options) {
  if (auto ranges = check_ranges(options); !ranges) return ranges;
  auto reply = check_reply(options.reply_topic.value_or(""), options.create_reply_topic);
  if (!reply) return reply;
  const PublishOptions& publish = options.publish;
  const std::pair<bool, std::string_view> given[] = {{publish.callback != nullptr, "callback"},
                                                     {publish.async.has_value(), "async"},
                                                     {!publish.body_codec.empty(), "body_codec"}};
  for (const auto& [is_given, name] : given) {
    if (!is_given) continue;
    return fail(Error::configuration("publish." + std::string(name) +
                                     " is set; a request has its own way to wait and to encode"));
  }
  return {};
}

std::string reply_topic(const RequestOptions& own, const kafka::BrokerOptions& broker) {
  const std::string& given = own.reply_topic ? *own.reply_topic : broker.reply_topic;
  if (!given.empty()) return given;
  constexpr std::string_view ending = ".replies";
  std::string name = broker.client_id.substr(0, max_topic_name_bytes - ending.size());
  // Clients that get the same topic this way may share it: each knows the replies to its requests.
  for (char& each : name) {
    const bool is_legal =
        fault_of_topic_name(std::string_view(&each, 1)) != TopicNameFault::other_characters;
    if (!is_legal) each = '_';
  }
  return name.append(ending);
}

namespace {

/// The settings of batches; absent if the handler takes one event at a time.
Result<std::optional<BatchSettings>> batch_settings(const SubscribeOptions& own, Handing handing) {
  if (handing == Handing::batches) {
    BatchSettings made;
    made.lanes = own.concurrency;
    made.size = own.batch_size.value_or(made.size);
    made.interval = own.batch_interval.value_or(made.interval);
    auto checked = check_options(
        {{"batch_size times concurrency", as_value(made.size * made.lanes), 1, 500'000}});
    if (!checked) return fail(checked.error());
    return made;
  }
  const std::string_view given = own.batch_size       ? "batch_size"
                                 : own.batch_interval ? "batch_interval"
                                                      : "";
  if (given.empty()) return std::nullopt;
  return fail(Error::configuration(std::string(given) +
                                   " is set; it is allowed with subscribe_batch only"));
}

Result<void> check_handing(const SubscribeOptions& own, Handing handing) {
  if (handing != Handing::pulls || own.concurrency == 1) return {};
  return fail(Error::configuration("concurrency is " + std::to_string(own.concurrency) +
                                   "; it is not allowed with subscribe_pull, where any number of "
                                   "threads may call next"));
}

Result<void> check_retention(const SubscribeOptions& reading) {
  if (!reading.retention_time || reading.group_instance_id.empty()) return {};
  return fail(Error::configuration(
      "retention_time is " + std::to_string(reading.retention_time->count()) +
      " ms; it is allowed without group_instance_id only, which is " + reading.group_instance_id));
}

/// `own`: the options of the subscription; `reading`: merged with those of the broker.
Result<void> check_all(const Topics& topics, const SubscribeOptions& own,
                       const SubscribeOptions& reading, const kafka::BrokerOptions& broker,
                       Handing handing) {
  if (auto checked = check_topics(topics, own.partition); !checked) return checked;
  if (auto checked = check_configs(own, topics.to_string(), broker.addresses); !checked) {
    return checked;
  }
  if (auto checked = check_ranges(reading); !checked) return checked;
  if (auto checked = check_handling(own); !checked) return checked;
  if (auto checked = check_reading(reading); !checked) return checked;
  if (auto checked = check_start(reading.start_offset, !own.partition.is_none()); !checked) {
    return checked;
  }
  if (auto checked = check_exclusions(*reading.group_id, own); !checked) return checked;
  if (auto checked = check_handing(own, handing); !checked) return checked;
  return check_retention(reading);
}

/// How the messages of a subscription are handled, settled and committed.
SubscriptionSettings handling_of(const SubscribeOptions& own, const SubscribeOptions& reading,
                                 const std::optional<BatchSettings>& batches, Handing handing,
                                 const std::string& topic) {
  return {.auto_ack = own.auto_ack,
          .unordered = own.unordered,
          .orders_partitions = handing == Handing::pulls && !own.unordered,
          .batches = batches,
          .max_retries = own.max_retries,
          .retry_delay = own.retry_delay,
          .max_retry_delay = own.max_retry_delay,
          .failure_policy = *reading.failure_policy,
          .seed = seed_of(topic, *reading.group_id),
          .ack_timeout = own.ack_timeout,
          .max_unacknowledged = own.max_unacknowledged,
          .max_unacknowledged_bytes = own.max_unacknowledged_bytes,
          .queue_capacity = *reading.queue_capacity,
          .commits = !reading.group_id->empty(),
          .commit_interval = *reading.commit_interval,
          .min_backoff = *reading.read_backoff_min,
          .max_backoff = *reading.read_backoff_max};
}

}  // namespace

Result<ReadSettings> read_settings(const Topics& topics, const SubscribeOptions& given,
                                   const kafka::BrokerOptions& broker, Handing handing) {
  SubscribeOptions own = given;
  take_configs(own);
  SubscribeOptions reading = merged(own, broker);
  if (auto checked = check_all(topics, own, reading, broker, handing); !checked) {
    return fail(checked.error());
  }
  const auto batches = batch_settings(own, handing);
  if (!batches) return fail(batches.error());
  if (*batches) {
    const std::size_t room = 2 * (*batches)->size * (*batches)->lanes;
    reading.queue_capacity = std::max(*reading.queue_capacity, room);
  }

  auto consumer = consumer_options(reading, broker);
  if (!consumer) return fail(consumer.error());
  ReadSettings made;
  made.consumer = *std::move(consumer);
  const bool watches = broker.watch_partition_changes;
  made.plan = {.group_id = *reading.group_id,
               .partition = own.partition,
               .start = reading.start_offset,
               .partition_watch_interval =
                   watches ? std::optional(broker.partition_watch_interval) : std::nullopt,
               .look_timeout = broker.read_timeout};
  made.state = handling_of(own, reading, *batches, handing, topics.to_string());
  if (auto chosen = choose_topics(topics, own, *reading.failure_policy, made); !chosen) {
    return fail(chosen.error());
  }
  made.max_attempts = *reading.max_attempts;
  made.rebalance_timeout = *reading.rebalance_timeout;
  made.read_lag_interval = *reading.read_lag_interval;
  made.read_lag_handler = reading.read_lag_handler;
  made.min_backoff = *reading.read_backoff_min;
  made.max_backoff = *reading.read_backoff_max;
  return made;
}

}  // namespace dohle::messaging
