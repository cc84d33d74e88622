#pragma once

#include "dohle/client.hpp"
#include "dohle/kafka.hpp"
#include "messaging/consumer_source.hpp"
#include "messaging/subscription_state.hpp"

namespace dohle::messaging {

/// Errors: configuration, naming the option, its value and what is allowed.
[[nodiscard]] Result<void> check(const kafka::BrokerOptions& options);

[[nodiscard]] ClientOptions client_options(const kafka::BrokerOptions& options,
                                           std::shared_ptr<Logger> logger);
[[nodiscard]] ProducerOptions producer_options(const kafka::BrokerOptions& options, Acks acks);

/// Errors: configuration, also for options that exclude each other.
[[nodiscard]] Result<void> check(const PublishOptions& options, bool async);

/// What one subscription goes by, its own options over the broker's.
struct ReadSettings {
  ConsumerOptions consumer;
  ConsumerSource::Plan plan;
  SubscriptionSettings core;
  std::chrono::milliseconds rebalance_timeout;
  std::chrono::milliseconds min_backoff;
  std::chrono::milliseconds max_backoff;
};
/// Errors: configuration, also for options that exclude each other.
[[nodiscard]] Result<ReadSettings> read_settings(const std::string& topic,
                                                 const SubscribeOptions& own,
                                                 const kafka::BrokerOptions& broker);

}  // namespace dohle::messaging
