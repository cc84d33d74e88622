#pragma once

#include "dohle/broker_options.hpp"
#include "dohle/client.hpp"
#include "dohle/consumer.hpp"

namespace dohle::messaging {

/// Sets the members that mean the same as properties that were added since the last call. Leaves
/// wrong values to check_properties.
void take_properties(kafka::BrokerOptions& options);

/// Errors: configuration, with the name: a name or value that is wrong by itself, values that
/// contradict each other, a security.protocol that other options contradict. Never with a password.
[[nodiscard]] Result<void> check_properties(const kafka::BrokerOptions& options);

/// Puts the property's name before an error about a member that a property has set.
[[nodiscard]] Error with_property_name(const Error& error, const kafka::BrokerOptions& options);

// The properties that no member of BrokerOptions means.

void apply_properties(const kafka::BrokerOptions& from, ClientOptions& into);
/// `into.acks` stays; idempotence stays off unless it is `all`.
void apply_properties(const kafka::BrokerOptions& from, ProducerOptions& into);
void apply_properties(const kafka::BrokerOptions& from, ConsumerOptions& into);
/// The acks of a publish that names none.
[[nodiscard]] Acks default_acks(const kafka::BrokerOptions& options);

}  // namespace dohle::messaging
