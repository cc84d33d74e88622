#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "dohle/dial.hpp"
#include "dohle/sasl.hpp"
#include "dohle/tls.hpp"

namespace dohle {
inline namespace v0 {
namespace kafka {

/// How a Broker connects, as one struct; `with_dialer` takes it. It has the fields of kafka-go's
/// Dialer. An absent field changes nothing. A field that is set replaces the member of
/// BrokerOptions that its comment names. So it applies to all connections of the Broker: for
/// publishing, for subscriptions, and for create_topic and delete_topic with this Broker.
///
///     auto broker = kafka::new_broker(kafka::with_dialer({.client_id = "a", .timeout = 3s}));
struct Dialer {
  /// `BrokerOptions::client_id`.
  std::optional<std::string> client_id = {};
  /// `BrokerOptions::dialer_function`.
  DialFunction dial_function = nullptr;
  /// `BrokerOptions::dialer_timeout`.
  std::optional<std::chrono::milliseconds> timeout = {};
  /// `BrokerOptions::dialer_deadline`.
  std::optional<std::chrono::system_clock::time_point> deadline = {};
  /// `BrokerOptions::dialer_local_address`.
  std::optional<std::string> local_address = {};
  /// `BrokerOptions::dialer_fallback_delay`: false switches it off. True means `fallback_delay`, or
  /// the default if that is absent. A contradicting `fallback_delay` is refused.
  std::optional<bool> dual_stack = {};
  /// `BrokerOptions::dialer_fallback_delay`.
  std::optional<std::chrono::milliseconds> fallback_delay = {};
  /// `BrokerOptions::dialer_keep_alive`.
  std::optional<std::chrono::milliseconds> keep_alive = {};
  /// `BrokerOptions::dialer_resolver`.
  ResolveFunction resolver = nullptr;
  /// `BrokerOptions::tls`.
  std::optional<TlsOptions> tls = {};
  /// `BrokerOptions::sasl`.
  std::optional<SaslOptions> sasl_mechanism = {};
  /// Refused, because a Broker has no transactions.
  std::optional<std::string> transactional_id = {};

  /// Functions, `tls` and `sasl_mechanism` count as equal if both are set or neither is.
  friend bool operator==(const Dialer& one, const Dialer& other) {
    return one.client_id == other.client_id && !one.dial_function == !other.dial_function &&
           one.timeout == other.timeout && one.deadline == other.deadline &&
           one.local_address == other.local_address && one.dual_stack == other.dual_stack &&
           one.fallback_delay == other.fallback_delay && one.keep_alive == other.keep_alive &&
           !one.resolver == !other.resolver && one.tls.has_value() == other.tls.has_value() &&
           one.sasl_mechanism.has_value() == other.sasl_mechanism.has_value() &&
           one.transactional_id == other.transactional_id;
  }
};

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
