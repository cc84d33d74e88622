#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dohle/client.hpp"
#include "dohle/consumer.hpp"
#include "dohle/producer.hpp"
#include "properties/security.hpp"

namespace dohle::properties {

/// The handle whose properties are accepted, besides those of the connection.
enum class Role : std::uint8_t { admin, producer, consumer, both };

/// Settings as text, by the names of Kafka's own clients.
class PropertyValues {
 public:
  /// A later value of the same name replaces an earlier one. Errors: configuration, for an unknown
  /// name with the nearest known one, for one of a feature that Dohle does not have yet with the
  /// missing feature, for a value with the allowed ones, never with a password.
  Result<void> set(std::string_view name, std::string_view value);
  /// As set, but only for properties that `role` uses.
  Result<void> set_for(Role role, std::string_view name, std::string_view value);

  /// Sets the options of these properties, and leaves the others unchanged. Those of security have
  /// an own function.
  void apply_to(ClientOptions& options) const;
  void apply_to(ProducerOptions& options) const;
  void apply_to(ConsumerOptions& options) const;

  /// Values of `later` replace those of the same name.
  void merge(const PropertyValues& later);

  /// The settings of TLS and SASL in the properties, checked with each other. Errors: those of
  /// read_security.
  [[nodiscard]] Result<SecurityProperties> security(LoginIs where = LoginIs::in_properties) const {
    return read_security(security_, where);
  }
  /// Sets `ClientOptions::sasl` and `ClientOptions::tls`. Errors: as security() and tls_options.
  Result<void> apply_security_to(ClientOptions& options) const;
  /// Whether a password or a key is among them.
  [[nodiscard]] bool has_secret() const;

  /// Without those about security, any of which may be a password.
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& values() const {
    return values_;
  }

 private:
  std::map<std::string, std::string, std::less<>> values_;
  SecurityTexts security_;
};

}  // namespace dohle::properties
