#include "messaging/options/whole_configs.hpp"

#include <tuple>
#include <utility>

#include "base/option_checks.hpp"
#include "dohle/options.hpp"
#include "messaging/options/distinct_servers.hpp"

namespace dohle::messaging {

namespace {

using kafka::Dialer;
using kafka::ReaderConfig;
using kafka::WriterConfig;

auto fields_of(auto& config)
  requires(requires { config.dual_stack; })
{
  return std::tie(config.client_id, config.dial_function, config.timeout, config.deadline,
                  config.local_address, config.dual_stack, config.fallback_delay, config.keep_alive,
                  config.resolver, config.tls, config.sasl_mechanism, config.transactional_id);
}
auto fields_of(auto& config)
  requires(requires { config.completion; })
{
  return std::tie(config.brokers, config.balancer, config.max_attempts, config.batch_size,
                  config.batch_bytes, config.batch_timeout, config.read_timeout,
                  config.write_timeout, config.required_acks, config.async, config.logger,
                  config.error_logger, config.allow_auto_topic_creation, config.completion);
}
auto fields_of(auto& config)
  requires(requires { config.group_topics; })
{
  return std::tie(
      config.brokers, config.group_id, config.group_topics, config.topic, config.partition,
      config.dialer, config.queue_capacity, config.min_bytes, config.max_bytes, config.max_wait,
      config.read_batch_timeout, config.read_lag_interval, config.retention_time,
      config.group_balancers, config.heartbeat_interval, config.commit_interval,
      config.partition_watch_interval, config.watch_partition_changes, config.session_timeout,
      config.rebalance_timeout, config.join_group_backoff, config.start_offset,
      config.read_backoff_min, config.read_backoff_max, config.logger, config.error_logger,
      config.isolation_level, config.max_attempts, config.offset_out_of_range_error);
}

/// Sets the fields of `into` that `from` gives.
template <class Config>
void give(const Config& from, Config& into) {
  const auto given = fields_of(from);
  const auto set = fields_of(into);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    const auto one = [](const auto& field, auto& to) {
      if (field) to = field;
    };
    (..., one(std::get<I>(given), std::get<I>(set)));
  }(std::make_index_sequence<std::tuple_size_v<decltype(given)>>());
}

/// Moves a field that is given into the member that means the same.
template <class Field, class Member>
void take(Field& field, Member& into) {
  if (!field) return;
  if constexpr (std::is_assignable_v<Member&, Field>) {
    into = field;
  } else {
    into = *field;
  }
  field = {};
}

/// The fields that both a Broker and a subscription mean.
void take_reading(ReaderConfig& config, auto& into) {
  take(config.group_id, into.group_id);
  take(config.queue_capacity, into.queue_capacity);
  take(config.min_bytes, into.min_bytes);
  take(config.max_bytes, into.max_bytes);
  take(config.max_wait, into.max_wait);
  take(config.read_batch_timeout, into.read_batch_timeout);
  take(config.read_lag_interval, into.read_lag_interval);
  take(config.retention_time, into.retention_time);
  take(config.heartbeat_interval, into.heartbeat_interval);
  take(config.commit_interval, into.commit_interval);
  take(config.session_timeout, into.session_timeout);
  take(config.rebalance_timeout, into.rebalance_timeout);
  take(config.start_offset, into.start_offset);
  take(config.read_backoff_min, into.read_backoff_min);
  take(config.read_backoff_max, into.read_backoff_max);
  take(config.max_attempts, into.max_attempts);
}

/// Two fields mean the fallback delay. If they contradict each other, both stay.
void take_fallback(Dialer& dialer, kafka::BrokerOptions& options) {
  const bool is_off = dialer.fallback_delay && dialer.fallback_delay->count() < 0;
  if (dialer.fallback_delay && dialer.dual_stack == is_off) return;
  if (dialer.dual_stack && !dialer.fallback_delay) {
    options.dialer_fallback_delay.reset();
    if (!*dialer.dual_stack) options.dialer_fallback_delay = std::chrono::milliseconds(-1);
  }
  take(dialer.fallback_delay, options.dialer_fallback_delay);
  dialer.dual_stack.reset();
}

void take_connecting(kafka::BrokerOptions& options) {
  Dialer& dialer = options.dialer;
  take(dialer.client_id, options.client_id);
  take(dialer.dial_function, options.dialer_function);
  take(dialer.timeout, options.dialer_timeout);
  take(dialer.deadline, options.dialer_deadline);
  take(dialer.local_address, options.dialer_local_address);
  take_fallback(dialer, options);
  take(dialer.keep_alive, options.dialer_keep_alive);
  take(dialer.resolver, options.dialer_resolver);
  take(dialer.tls, options.tls);
  take(dialer.sasl_mechanism, options.sasl);
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& each : texts) all += (all.empty() ? "" : ",") + each;
  return all;
}

Result<void> refuse(std::string_view config, std::string_view field, const std::string& why) {
  return fail(Error::configuration(std::string(config) + "." + std::string(field) + " is " + why));
}

Result<void> check_brokers(std::string_view config,
                           const std::optional<std::vector<std::string>>& brokers,
                           const std::vector<std::string>& addresses) {
  if (!brokers || distinct_servers(*brokers) == distinct_servers(addresses)) return {};
  return refuse(config, "brokers",
                joined(*brokers) + "; a broker has one set of addresses, which is " +
                    joined(addresses) + ": set that, and leave brokers out");
}

Result<void> check_dialer(const Dialer& dialer) {
  constexpr std::string_view name = "dialer";
  if (dialer.dual_stack) {
    return refuse(
        name, "dual_stack",
        std::string(*dialer.dual_stack ? "true" : "false") + " and dialer.fallback_delay is " +
            std::to_string(dialer.fallback_delay->count()) + " ms; leave out one of them");
  }
  if (!dialer.transactional_id) return {};
  return refuse(
      name, "transactional_id",
      *dialer.transactional_id + "; a broker has no transactions, so it would have no effect");
}

/// Refuses fields without an equivalent option of a Broker or of a subscription.
Result<void> check_reading(const ReaderConfig& config) {
  constexpr std::string_view name = "reader_config";
  if (config.group_topics) {
    return refuse(
        name, "group_topics",
        joined(*config.group_topics) + "; subscribe takes several topics: give them to it");
  }
  if (config.group_balancers && *config.group_balancers != std::vector<std::string>{"range"}) {
    return refuse(name, "group_balancers",
                  joined(*config.group_balancers) +
                      "; the members of a group use range alone in "
                      "this release");
  }
  if (config.join_group_backoff) {
    return refuse(name, "join_group_backoff",
                  std::to_string(config.join_group_backoff->count()) +
                      " ms; a member joins again after the properties retry.backoff.ms to "
                      "retry.backoff.max.ms: set those");
  }
  if (config.isolation_level &&
      *config.isolation_level != kafka::IsolationLevel::read_uncommitted) {
    return refuse(name, "isolation_level",
                  "read_committed; this release has no transactions and reads uncommitted");
  }
  if (config.offset_out_of_range_error == true) {
    return refuse(name, "offset_out_of_range_error",
                  "true; a subscription whose offset the log has no more goes on at start_offset");
  }
  return {};
}

constexpr std::string_view of_the_broker = "; it is the broker's: give it to new_broker";

}  // namespace

void take_configs(kafka::BrokerOptions& options) {
  WriterConfig& writer = options.writer_config;
  take(writer.balancer, options.balancer);
  take(writer.max_attempts, options.publish_max_attempts);
  take(writer.batch_size, options.batch_size);
  take(writer.batch_bytes, options.batch_bytes);
  take(writer.batch_timeout, options.batch_timeout);
  take(writer.read_timeout, options.read_timeout);
  take(writer.write_timeout, options.write_timeout);
  take(writer.required_acks, options.required_acks);
  take(writer.async, options.async);
  take(writer.logger, options.logger);
  take(writer.error_logger, options.error_logger);
  take(writer.allow_auto_topic_creation, options.allow_publish_auto_topic_creation);
  take(writer.completion, options.completion);

  ReaderConfig& reader = options.reader_config;
  take_reading(reader, options);
  take(reader.partition_watch_interval, options.partition_watch_interval);
  take(reader.watch_partition_changes, options.watch_partition_changes);
  take(reader.logger, options.logger);
  take(reader.error_logger, options.error_logger);
  if (reader.dialer) give(*reader.dialer, options.dialer);
  reader.dialer.reset();
  take_connecting(options);
}

void take_configs(SubscribeOptions& options) {
  take_reading(options.reader_config, options);
  take(options.reader_config.partition, options.partition);
}

void add_config(kafka::BrokerOptions& options, const Dialer& config) {
  give(config, options.dialer);
  take_configs(options);
}
void add_config(kafka::BrokerOptions& options, const WriterConfig& config) {
  give(config, options.writer_config);
  take_configs(options);
}
void add_config(kafka::BrokerOptions& options, const ReaderConfig& config) {
  give(config, options.reader_config);
  take_configs(options);
}
void add_config(SubscribeOptions& options, const ReaderConfig& config) {
  give(config, options.reader_config);
  take_configs(options);
}

Result<void> check_configs(const kafka::BrokerOptions& options) {
  if (auto dialer = check_dialer(options.dialer); !dialer) return dialer;
  const ReaderConfig& reader = options.reader_config;
  if (auto same = check_brokers("writer_config", options.writer_config.brokers, options.addresses);
      !same) {
    return same;
  }
  if (auto same = check_brokers("reader_config", reader.brokers, options.addresses); !same) {
    return same;
  }
  if (reader.topic) {
    return refuse("reader_config", "topic", *reader.topic + "; subscribe names its topic");
  }
  if (reader.partition) {
    return refuse(
        "reader_config", "partition",
        std::to_string(reader.partition->value) + "; it is a subscription's: give it to subscribe");
  }
  return check_reading(reader);
}

Result<void> check_configs(const SubscribeOptions& options, std::string_view topic,
                           const std::vector<std::string>& addresses) {
  constexpr std::string_view name = "reader_config";
  const ReaderConfig& reader = options.reader_config;
  if (auto same = check_brokers(name, reader.brokers, addresses); !same) return same;
  if (reader.topic && *reader.topic != topic) {
    return refuse(name, "topic", *reader.topic + "; the subscription is to " + std::string(topic));
  }
  if (reader.partition_watch_interval) {
    return refuse(name, "partition_watch_interval",
                  std::to_string(reader.partition_watch_interval->count()) + " ms" +
                      std::string(of_the_broker));
  }
  if (reader.watch_partition_changes) {
    return refuse(
        name, "watch_partition_changes",
        (*reader.watch_partition_changes ? "true" : "false") + std::string(of_the_broker));
  }
  if (reader.dialer) return refuse(name, "dialer", "set" + std::string(of_the_broker));
  if (reader.logger) return refuse(name, "logger", "set" + std::string(of_the_broker));
  if (reader.error_logger) return refuse(name, "error_logger", "set" + std::string(of_the_broker));
  return check_reading(reader);
}

}  // namespace dohle::messaging
