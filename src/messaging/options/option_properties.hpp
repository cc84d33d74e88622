#pragma once

#include <chrono>
#include <type_traits>

#include "dohle/broker_options.hpp"
#include "dohle/client.hpp"
#include "dohle/consumer.hpp"

// Properties of Kafka's clients as options of the messaging API.

namespace dohle::messaging {

/// The options of the client that properties mean.
struct MeantByProperties {
  ClientOptions client;
  ProducerOptions producer;
  ConsumerOptions consumer;
};

inline constexpr auto of_client = &MeantByProperties::client;
inline constexpr auto of_producer = &MeantByProperties::producer;
inline constexpr auto of_consumer = &MeantByProperties::consumer;

/// Sets the member `Own` to the member `Theirs` of the client's options.
template <auto Own, auto Part, auto Theirs, class Options>
Result<void> copy(const MeantByProperties& meant, Options& options) {
  auto& into = options.*Own;
  const auto& from = meant.*Part.*Theirs;
  if constexpr (std::is_assignable_v<decltype(into), decltype(from)>) {
    into = from;
  } else {
    into = std::chrono::duration_cast<std::chrono::milliseconds>(from);
  }
  return {};
}

template <class Options>
Result<void> set_start_offset(const MeantByProperties& meant, Options& options) {
  switch (meant.consumer.offset_reset) {
    case OffsetReset::earliest:
      options.start_offset = StartOffset::first();
      return {};
    case OffsetReset::latest:
      options.start_offset = StartOffset::last();
      return {};
    case OffsetReset::fail:
      break;
  }
  return fail(Error::configuration(
      "\"none\" is not one of earliest, latest; a subscription without a committed offset has to "
      "start somewhere"));
}

Result<void> set_addresses(const MeantByProperties& meant, kafka::BrokerOptions& options);
Result<void> set_compression(const MeantByProperties& meant, kafka::BrokerOptions& options);
Result<void> set_publish_max_attempts(const MeantByProperties& meant,
                                      kafka::BrokerOptions& options);
/// Errors: always, since a member of a group has an id of its own.
Result<void> refuse_group_instance_id(const MeantByProperties& meant, SubscribeOptions& options);

}  // namespace dohle::messaging
