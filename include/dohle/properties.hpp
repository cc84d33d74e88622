#pragma once

#include <cstddef>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dohle/export.hpp"
#include "dohle/secret.hpp"

namespace dohle::messaging {
struct PropertiesAccess;
}  // namespace dohle::messaging

namespace dohle {
inline namespace v0 {
namespace kafka {

/// Settings by the names of Kafka's own clients, which docs/options.md lists. Any value may be a
/// password. So there is no formatter, and values cannot be read back.
///
/// Thread safety: a const object may be read from any thread; copies are independent.
class DOHLE_API Properties {
 public:
  Properties() = default;
  /// `{{"linger.ms", "5"}, {"acks", "all"}}`. A later value replaces an earlier one of the same
  /// name. The values are not checked here; new_broker checks them.
  Properties(std::initializer_list<std::pair<std::string_view, std::string_view>> values);
  /// The same from a map, for example from a configuration file.
  Properties(const std::map<std::string, std::string>& values);

  /// Sets one value, and replaces an earlier value of that name.
  void set(std::string_view name, std::string_view value);
  /// Sets all values of `later`; they replace earlier ones.
  void merge(const Properties& later);

  /// True if there is no value.
  [[nodiscard]] bool empty() const noexcept { return values_.empty(); }
  /// The names that have a value, sorted.
  [[nodiscard]] std::vector<std::string> names() const;

  /// True if both have the same names and values.
  friend bool operator==(const Properties& one, const Properties& other) {
    return one.values_ == other.values_;
  }

 private:
  friend struct messaging::PropertiesAccess;

  std::map<std::string, Secret, std::less<>> values_;
  /// Names whose values the other options of the Broker have taken over.
  std::set<std::string, std::less<>> taken_;
};

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
