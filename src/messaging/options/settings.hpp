#pragma once

#include <cstdint>
#include <string>

#include "dohle/client.hpp"
#include "dohle/kafka.hpp"
#include "dohle/topics.hpp"
#include "messaging/publish/pipelines.hpp"
#include "messaging/source/consumer_source.hpp"
#include "messaging/subscribe/subscription_state.hpp"

namespace dohle::messaging {

/// Errors: configuration, with the option, its value and the allowed values.
[[nodiscard]] Result<void> check(const kafka::BrokerOptions& options);

[[nodiscard]] ClientOptions client_options(const kafka::BrokerOptions& options,
                                           std::shared_ptr<Logger> logger);
/// The options of a producer, without the balancer and the completion. Errors: those of with_rest.
[[nodiscard]] Result<ProducerOptions> producer_options(const kafka::BrokerOptions& options,
                                                       const PipelineKey& asked);

/// Errors: configuration, also for options that exclude each other.
[[nodiscard]] Result<void> check(const PublishOptions& options, bool async);

/// Errors: configuration, also for a reply topic whose name is not legal.
[[nodiscard]] Result<void> check(const RequestOptions& options);
/// The topic of a request's replies. Of options that name none, it is that of the client id, with
/// '_' in place of characters that no topic's name has, and cut to the length of a name.
[[nodiscard]] std::string reply_topic(const RequestOptions& own,
                                      const kafka::BrokerOptions& broker);

/// The form in which the handler of a subscription takes events; with `pulls` the program asks for
/// each event.
enum class Handing : std::uint8_t { events, batches, pulls };

/// The settings of one subscription: its own options, and the broker's for those that are absent.
struct ReadSettings {
  ConsumerOptions consumer;
  ConsumerSource::Plan plan;
  SubscriptionSettings state;
  std::int32_t max_attempts;
  std::chrono::milliseconds rebalance_timeout;
  std::chrono::milliseconds read_lag_interval;
  ReadLagHandler read_lag_handler;
  std::chrono::milliseconds min_backoff;
  std::chrono::milliseconds max_backoff;
};
/// Errors: configuration, also for options that exclude each other.
[[nodiscard]] Result<ReadSettings> read_settings(const Topics& topics,
                                                 const SubscribeOptions& given,
                                                 const kafka::BrokerOptions& broker,
                                                 Handing handing = Handing::events);

/// Makes the retry topics and the topics for dead letters of the topics that are named, and adds
/// the former to the plan. Errors: as prepare.
[[nodiscard]] Result<void> prepare_redirects(Admin& admin, ReadSettings& read);

}  // namespace dohle::messaging
