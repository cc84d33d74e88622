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

namespace dohle::properties {

/// The handle whose properties are accepted, besides those of the connection.
enum class Role : std::uint8_t { admin, producer, consumer, both };

/// Settings as text, by the names of Kafka's own clients.
class Properties {
 public:
  /// A later value of the same name replaces an earlier one. Errors: configuration, for an unknown
  /// name with the nearest known one, for a value with the allowed ones.
  Result<void> set(std::string_view name, std::string_view value);
  /// As set, but only for properties that `role` uses.
  Result<void> set_for(Role role, std::string_view name, std::string_view value);

  /// Sets the options of these properties, and leaves the others unchanged.
  void apply_to(ClientOptions& options) const;
  void apply_to(ProducerOptions& options) const;
  void apply_to(ConsumerOptions& options) const;

  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& values() const {
    return values_;
  }

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace dohle::properties
