#include "messaging/settings.hpp"

#include <algorithm>
#include <string_view>

#include "base/addresses.hpp"
#include "base/option_checks.hpp"
#include "base/topic_name.hpp"
#include "client/cluster/login.hpp"
#include "client/produce/producer_options.hpp"
#include "messaging/broker_properties.hpp"
#include "messaging/embedded_address.hpp"

namespace dohle::messaging {

namespace {

using std::chrono::milliseconds;

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t day_ms = 24 * 60 * minute_ms;

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

Result<void> check_middlewares(const auto& middlewares, std::string_view name) {
  for (const auto& middleware : middlewares) {
    if (!middleware) {
      return fail(Error::configuration(std::string(name) + " holds an empty function"));
    }
  }
  return {};
}

/// The options that a subscription may override, after the override.
struct Reading {
  std::size_t queue_capacity, min_bytes, max_bytes;
  milliseconds max_wait, heartbeat_interval, session_timeout, rebalance_timeout, max_poll_interval;
  milliseconds commit_interval, min_backoff, max_backoff;
  FailurePolicy failure_policy;
};

Reading reading_of(const SubscribeOptions& own, const kafka::BrokerOptions& broker) {
  return {.queue_capacity = own.queue_capacity.value_or(broker.queue_capacity),
          .min_bytes = own.min_bytes.value_or(broker.min_bytes),
          .max_bytes = own.max_bytes.value_or(broker.max_bytes),
          .max_wait = own.max_wait.value_or(broker.max_wait),
          .heartbeat_interval = own.heartbeat_interval.value_or(broker.heartbeat_interval),
          .session_timeout = own.session_timeout.value_or(broker.session_timeout),
          .rebalance_timeout = own.rebalance_timeout.value_or(broker.rebalance_timeout),
          .max_poll_interval = own.max_poll_interval.value_or(broker.max_poll_interval),
          .commit_interval = own.commit_interval.value_or(broker.commit_interval),
          .min_backoff = own.read_backoff_min.value_or(broker.read_backoff_min),
          .max_backoff = own.read_backoff_max.value_or(broker.read_backoff_max),
          .failure_policy = own.failure_policy.value_or(broker.failure_policy)};
}

Result<void> check(const Reading& reading, milliseconds read_timeout) {
  auto ranges = check_options({
      {"queue_capacity", as_value(reading.queue_capacity), 1, 1'000'000},
      {"min_bytes", as_value(reading.min_bytes), 1, INT32_MAX, "bytes"},
      {"max_bytes", as_value(reading.max_bytes), 1'024, INT32_MAX, "bytes"},
      {"max_wait", reading.max_wait.count(), 0, minute_ms, "ms"},
      {"heartbeat_interval", reading.heartbeat_interval.count(), 1, day_ms, "ms"},
      {"session_timeout", reading.session_timeout.count(), 1, day_ms, "ms"},
      {"rebalance_timeout", reading.rebalance_timeout.count(), 0, 10 * minute_ms, "ms"},
      {"max_poll_interval", reading.max_poll_interval.count(), 1'000, day_ms, "ms"},
      {"commit_interval", reading.commit_interval.count(), 0, day_ms, "ms"},
      {"read_backoff_min", reading.min_backoff.count(), 1, minute_ms, "ms"},
      {"read_backoff_max", reading.max_backoff.count(), reading.min_backoff.count(), minute_ms,
       "ms"},
  });
  if (!ranges) return ranges;
  if (auto known = check_enum("failure_policy", reading.failure_policy,
                              {FailurePolicy::hold, FailurePolicy::skip, FailurePolicy::stop});
      !known) {
    return known;
  }
  if (auto below = check_below("heartbeat_interval", reading.heartbeat_interval, "session_timeout",
                               reading.session_timeout);
      !below) {
    return below;
  }
  if (auto below = check_below("rebalance_timeout", reading.rebalance_timeout, "max_poll_interval",
                               reading.max_poll_interval);
      !below) {
    return below;
  }
  return check_below("max_wait", reading.max_wait, "read_timeout", read_timeout);
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

Result<void> check_handling(const SubscribeOptions& own) {
  auto ranges = check_options({
      {"concurrency", as_value(own.concurrency), 1, 1'000},
      {"max_retries", own.max_retries, 0, 1'000'000},
      {"retry_delay", own.retry_delay.count(), 0, 60 * minute_ms, "ms"},
      {"ack_timeout", own.ack_timeout.value_or(milliseconds(0)).count(), 0, day_ms, "ms"},
      {"max_unacknowledged", as_value(own.max_unacknowledged), 1, INT32_MAX},
      {"max_unacknowledged_bytes", as_value(own.max_unacknowledged_bytes), 1, INT64_MAX, "bytes"},
      {"partition", own.partition.value, -1, INT32_MAX},
  });
  if (!ranges) return ranges;
  if (own.auto_create_topic) {
    const AutoCreateTopic& topic = *own.auto_create_topic;
    auto made = check_options({
        {"auto_create_topic (partitions)", topic.partitions, -1, 100'000},
        {"auto_create_topic (replication_factor)", topic.replication_factor, -1, INT16_MAX},
    });
    if (!made) return made;
    if (auto named = check_topic_name(topic.topic); !named) {
      return fail(
          Error::configuration("auto_create_topic: " + std::string(named.error().message())));
    }
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
  const std::pair<std::string_view, std::optional<milliseconds>> of_groups[] = {
      {"heartbeat_interval", own.heartbeat_interval}, {"session_timeout", own.session_timeout},
      {"rebalance_timeout", own.rebalance_timeout},   {"max_poll_interval", own.max_poll_interval},
      {"commit_interval", own.commit_interval},
  };
  for (const auto& [name, value] : of_groups) {
    if (!value) continue;
    return fail(Error::configuration(std::string(name) + " is " + std::to_string(value->count()) +
                                     " ms; it is allowed with a group_id only"));
  }
  return {};
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

Result<void> check_members(const kafka::BrokerOptions& options) {
  if (auto addresses = check_addresses(options.addresses); !addresses) return addresses;
  auto ranges = check_options({
      {"client_id (its length)", as_value(options.client_id.size()), 0, 249, "bytes"},
      {"dialer_timeout", options.dialer_timeout.count(), 1, 10 * minute_ms, "ms"},
      {"read_timeout", options.read_timeout.count(), 1, 10 * minute_ms, "ms"},
      {"batch_size", as_value(options.batch_size), 1, 1'000'000},
      {"batch_bytes", as_value(options.batch_bytes), 512, std::int64_t{1} << 30, "bytes"},
      {"batch_timeout", options.batch_timeout.count(), 0, minute_ms, "ms"},
      {"partition_watch_interval", options.partition_watch_interval.count(), 100, day_ms, "ms"},
  });
  if (!ranges) return ranges;
  if (auto secured = check_security(options); !secured) return secured;
  if (options.sasl) {
    if (auto login = client::Login::check(*options.sasl); !login) return login;
  }
  if (auto level = check_compression(options.compression, options.compression_level); !level) {
    return level;
  }
  if (auto reading = check(reading_of({}, options), options.read_timeout); !reading) return reading;
  if (auto start = check_start(options.start_offset, false); !start) return start;
  if (auto all = check_middlewares(options.publish_middlewares, "publish_middlewares"); !all) {
    return all;
  }
  return check_middlewares(options.subscribe_middlewares, "subscribe_middlewares");
}

}  // namespace

Result<void> check(const kafka::BrokerOptions& options) {
  if (auto checked = check_properties(options); !checked) return checked;
  if (auto checked = check_members(options); !checked) {
    return fail(with_property_name(checked.error(), options));
  }
  if (auto checked = client::check(producer_options(options, default_acks(options))); !checked) {
    return fail(with_property_name(checked.error(), options));
  }
  return {};
}

ClientOptions client_options(const kafka::BrokerOptions& options, std::shared_ptr<Logger> logger) {
  ClientOptions made;
  made.bootstrap_servers = options.addresses;
  made.client_id = options.client_id;
  made.connect_timeout = options.dialer_timeout;
  made.request_timeout = options.read_timeout;
  made.sasl = options.sasl;
  made.tls = options.tls;
  if (options.enable_secure == true && !made.tls) made.tls.emplace();
  apply_properties(options, made);
  // A group finds new partitions of its topics by refreshing the metadata.
  made.metadata_max_age = std::min(made.metadata_max_age, options.partition_watch_interval);
  made.logger = std::move(logger);
  return made;
}

ProducerOptions producer_options(const kafka::BrokerOptions& options, Acks acks) {
  ProducerOptions made;
  made.acks = acks;
  made.idempotence = acks == Acks::all;
  made.linger = options.batch_timeout;
  made.batch_bytes = options.batch_bytes;
  made.batch_records = options.batch_size;
  made.max_request_bytes = std::max(made.max_request_bytes, options.batch_bytes);
  made.buffer_bytes = std::max(made.buffer_bytes, 2 * options.batch_bytes);
  made.request_timeout = options.read_timeout;
  made.delivery_timeout =
      std::max(made.delivery_timeout, options.batch_timeout + options.read_timeout);
  made.compression = options.compression;
  made.compression_level = options.compression_level;
  made.allow_auto_create_topics = options.allow_publish_auto_topic_creation;
  apply_properties(options, made);
  return made;
}

Result<void> check(const PublishOptions& options, bool async) {
  if (options.required_acks) {
    auto known =
        check_enum("required_acks", *options.required_acks, {Acks::none, Acks::leader, Acks::all});
    if (!known) return known;
  }
  if (auto partition = check_options({{"partition", options.partition.value, -1, INT32_MAX}});
      !partition) {
    return partition;
  }
  if (options.timeout) {
    if (async) {
      return fail(Error::configuration("timeout is " + std::to_string(options.timeout->count()) +
                                       " ms; it is allowed with async false only"));
    }
    if (auto range = check_options({{"timeout", options.timeout->count(), 0, day_ms, "ms"}});
        !range) {
      return range;
    }
  }
  if (options.callback && !async) {
    return fail(Error::configuration("callback is set; it is allowed with async true only"));
  }
  return check_middlewares(options.middlewares, "middlewares");
}

Result<ReadSettings> read_settings(const std::string& topic, const SubscribeOptions& own,
                                   const kafka::BrokerOptions& broker) {
  const std::string group = own.group_id.value_or(broker.group_id);
  const auto start = own.start_offset ? own.start_offset : broker.start_offset;
  const Reading reading = reading_of(own, broker);
  if (auto named = check_topic_name(topic); !named) {
    return fail(
        Error::configuration("topic to subscribe to: " + std::string(named.error().message()) +
                             " (a subscription reads one topic; patterns are not supported yet)"));
  }
  if (auto checked = check_handling(own); !checked) return fail(checked.error());
  if (auto checked = check(reading, broker.read_timeout); !checked) return fail(checked.error());
  if (auto checked = check_start(start, !own.partition.is_none()); !checked) {
    return fail(checked.error());
  }
  if (auto checked = check_exclusions(group, own); !checked) return fail(checked.error());

  ReadSettings made;
  made.consumer.group_id = group;
  made.consumer.group_instance_id = own.group_instance_id;
  made.consumer.offset_reset = reset_of(group, start);
  made.consumer.auto_commit = false;
  made.consumer.session_timeout = reading.session_timeout;
  made.consumer.heartbeat_interval = reading.heartbeat_interval;
  made.consumer.max_poll_interval = reading.max_poll_interval;
  made.consumer.min_fetch_bytes = reading.min_bytes;
  made.consumer.max_fetch_bytes = reading.max_bytes;
  made.consumer.max_partition_fetch_bytes =
      std::min(made.consumer.max_partition_fetch_bytes, reading.max_bytes);
  made.consumer.buffer_bytes = std::max(made.consumer.buffer_bytes, reading.max_bytes);
  made.consumer.max_fetch_wait = reading.max_wait;
  made.consumer.max_poll_records = std::max<std::size_t>(1, reading.queue_capacity / 2);
  made.consumer.request_timeout = broker.read_timeout;
  apply_properties(broker, made.consumer);
  made.plan = {.topic = topic,
               .group_id = group,
               .partition = own.partition,
               .start = start,
               .partition_watch_interval = broker.partition_watch_interval,
               .look_timeout = broker.read_timeout};
  made.state = {.auto_ack = own.auto_ack,
                .unordered = own.unordered,
                .max_retries = own.max_retries,
                .retry_delay = own.retry_delay,
                .failure_policy = reading.failure_policy,
                .ack_timeout = own.ack_timeout,
                .max_unacknowledged = own.max_unacknowledged,
                .max_unacknowledged_bytes = own.max_unacknowledged_bytes,
                .queue_capacity = reading.queue_capacity,
                .commits = !group.empty(),
                .commit_interval = reading.commit_interval,
                .min_backoff = reading.min_backoff,
                .max_backoff = reading.max_backoff};
  made.rebalance_timeout = reading.rebalance_timeout;
  made.min_backoff = reading.min_backoff;
  made.max_backoff = reading.max_backoff;
  return made;
}

}  // namespace dohle::messaging
