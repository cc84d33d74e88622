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

namespace dohle::tools {

/// Whose options Kafka's properties are read for, besides those of connecting.
enum class Role : std::uint8_t { admin, producer, consumer, both };

/// Settings under the names that Kafka's own clients have for them, as -X and profiles give them.
class Properties {
 public:
  /// A later value of the same name replaces an earlier one. Errors: configuration: a name that is
  /// not known, with the nearest that is; a value, with what is allowed.
  Result<void> set(std::string_view name, std::string_view value);
  /// The same, and `role` has to have use for it.
  Result<void> set_for(Role role, std::string_view name, std::string_view value);

  /// Sets what is named here and leaves the rest.
  void apply_to(ClientOptions& options) const;
  void apply_to(ProducerOptions& options) const;
  void apply_to(ConsumerOptions& options) const;

  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& values() const {
    return values_;
  }

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace dohle::tools
