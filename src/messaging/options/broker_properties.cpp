#include "messaging/options/broker_properties.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/security_protocols.hpp"
#include "dohle/options.hpp"
#include "messaging/options/option_rows.hpp"
#include "properties/property_values.hpp"
#include "properties/tls_options.hpp"

namespace dohle::messaging {

using properties::PropertyValues;

struct PropertiesAccess {
  using Values = std::map<std::string, Secret, std::less<>>;
  [[nodiscard]] static const Values& values(const kafka::Properties& of) { return of.values_; }
  [[nodiscard]] static bool is_taken(const kafka::Properties& of, std::string_view name) {
    return of.taken_.contains(name);
  }
  static void set_taken(kafka::Properties& of, const std::string& name) { of.taken_.insert(name); }
};

namespace {

using Access = PropertiesAccess;
using O = kafka::BrokerOptions;

using Meant = MeantByProperties;

/// A property that means a member, and how to set that.
struct Row {
  std::string_view name;
  std::string_view option;
  std::function<Result<void>(const Meant& meant, O& options)> set;
};

/// The rows of the Broker's options, and of options that a subscription alone has, whose properties
/// the Broker refuses.
std::vector<Row> rows_of_the_tables() {
  std::vector<Row> all;
  for_each_option<O>([&](const auto& row) {
    if (!row.property.empty()) all.push_back({row.property, row.name, row.set_from_property});
  });
  for_each_option<SubscribeOptions>([&](const auto& row) {
    if (row.property.empty() || std::ranges::find(all, row.property, &Row::name) != all.end())
      return;
    all.push_back({row.property, row.name, [set = row.set_from_property](const Meant& meant, O&) {
                     SubscribeOptions own;
                     return set(meant, own);
                   }});
  });
  return all;
}

const std::vector<Row>& rows() {
  static const std::vector<Row> all = rows_of_the_tables();
  return all;
}

/// Other names that errors use for the option of a property.
struct NameInErrors {
  std::string_view property;
  std::string_view name;
};
constexpr NameInErrors other_names[] = {
    {"acks", "acks"},
    {"bootstrap.servers", "address"},
    {"buffer.memory", "buffer_bytes"},
    {"delivery.timeout.ms", "delivery_timeout"},
    {"enable.idempotence", "idempotence"},
    {"max.in.flight.requests.per.connection", "max_in_flight"},
    {"max.request.size", "max_request_bytes"},
};

const Row* find_row(std::string_view name) {
  const auto found = std::ranges::find(rows(), name, &Row::name);
  return found == rows().end() ? nullptr : &*found;
}

bool is_member(std::string_view name) {
  return find_row(name) != nullptr;
}

/// The values that are right by themselves.
PropertyValues readable(const kafka::Properties& all, auto&& is_wanted) {
  PropertyValues values;
  for (const auto& [name, value] : Access::values(all)) {
    // Wrong ones are named by check_properties.
    if (is_wanted(name)) (void)values.set(name, value.reveal());
  }
  return values;
}

Meant meaning_of(const PropertyValues& values) {
  Meant meant;
  values.apply_to(meant.client);
  values.apply_to(meant.producer);
  values.apply_to(meant.consumer);
  return meant;
}

/// TLS and logins as the properties set them, in the options' own types.
struct Security {
  SecurityProtocol protocol = SecurityProtocol::plaintext;
  std::optional<SaslOptions> sasl = {};
  std::optional<TlsOptions> tls = {};
};

/// Looks at the named files.
Result<Security> security_of(const kafka::Properties& all) {
  auto said = readable(all, properties::is_security_name).security(properties::LoginIs::anywhere);
  if (!said) return fail(said.error());
  Security security{said->protocol, std::move(said->sasl)};
  if (said->tls) {
    auto tls = properties::tls_options(*said->tls);
    if (!tls) return fail(tls.error());
    security.tls = *std::move(tls);
  }
  return security;
}

bool has_security(const kafka::Properties& all, auto&& is_wanted) {
  return std::ranges::any_of(Access::values(all), [&](const auto& each) {
    return properties::is_security_name(each.first) && is_wanted(each.first);
  });
}

void take_security(O& options) {
  kafka::Properties& all = options.properties;
  const auto is_new = [&](const std::string& name) { return !Access::is_taken(all, name); };
  if (!has_security(all, is_new)) return;
  auto said = security_of(all);
  if (!said) return;
  if (said->sasl) options.sasl = std::move(said->sasl);
  if (said->tls) options.tls = std::move(said->tls);
  for (const std::string& name : all.names()) {
    if (properties::is_security_name(name)) Access::set_taken(all, name);
  }
}

/// Removes settings that earlier properties have made and no later option has replaced.
void withdraw_security(O& options) {
  if (!has_security(options.properties, [](const auto& /*name*/) { return true; })) return;
  const auto said = security_of(options.properties);
  if (!said) return;
  if (options.sasl == said->sasl) options.sasl.reset();
  if (options.tls == said->tls) options.tls.reset();
}

Result<void> check_protocol(const O& options) {
  if (!Access::values(options.properties).contains("security.protocol")) return {};
  auto said = security_of(options.properties);
  if (!said) return fail(said.error());
  const std::string protocol(to_string(said->protocol));
  const bool is_secure = options.tls || options.enable_secure == true;
  if (is_secure && !has_tls(said->protocol)) {
    return fail(Error::configuration("security.protocol is " + protocol + " and " +
                                     (options.tls ? "tls is set" : "enable_secure is true") +
                                     "; set " + (has_sasl(said->protocol) ? "SASL_SSL" : "SSL") +
                                     ", or leave out one of them"));
  }
  if (options.sasl && !has_sasl(said->protocol)) {
    return fail(Error::configuration("security.protocol is " + protocol + " and sasl is set; set " +
                                     (has_tls(said->protocol) ? "SASL_SSL" : "SASL_PLAINTEXT") +
                                     ", or leave out one of them"));
  }
  if (!options.sasl && has_sasl(said->protocol)) {
    return fail(Error::configuration("security.protocol is " + protocol +
                                     ", but sasl.username is not set"));
  }
  return {};
}

Result<void> check_idempotence(const O& options) {
  const Meant meant =
      meaning_of(readable(options.properties, [](const auto& /*name*/) { return true; }));
  if (meant.producer.acks == Acks::all || !meant.producer.idempotence) return {};
  return fail(
      Error::configuration("enable.idempotence is true and acks is not all; a record is stored "
                           "once only with acks all"));
}

PropertyValues rest_of(const O& options) {
  return readable(options.properties, [](const std::string& name) { return !is_member(name); });
}

}  // namespace

void add_properties(kafka::BrokerOptions& options, const kafka::Properties& properties) {
  if (has_security(properties, [](const auto& /*name*/) { return true; })) {
    withdraw_security(options);
  }
  options.properties.merge(properties);
  take_properties(options);
}

void take_properties(kafka::BrokerOptions& options) {
  kafka::Properties& all = options.properties;
  const Meant meant = meaning_of(readable(all, is_member));
  for (const std::string& name : all.names()) {
    if (!is_member(name) || Access::is_taken(all, name)) continue;
    if (!PropertyValues().set(name, Access::values(all).at(name).reveal())) continue;
    if (find_row(name)->set(meant, options)) Access::set_taken(all, name);
  }
  take_security(options);
}

Result<void> check_properties(const kafka::BrokerOptions& options) {
  PropertyValues values;
  for (const auto& [name, value] : Access::values(options.properties)) {
    if (auto set = values.set(name, value.reveal()); !set) return set;
  }
  const Meant meant = meaning_of(values);
  kafka::BrokerOptions scratch;
  for (const Row& row : rows()) {
    if (!Access::values(options.properties).contains(row.name)) continue;
    if (auto set = row.set(meant, scratch); !set) return fail(set.error().within(row.name));
  }
  if (auto said = security_of(options.properties); !said) return fail(said.error());
  if (auto agreed = check_protocol(options); !agreed) return agreed;
  return check_idempotence(options);
}

Error with_property_name(const Error& error, const kafka::BrokerOptions& options) {
  const std::string_view message = error.message();
  std::string_view first;
  std::size_t first_at = std::string_view::npos;
  const auto look = [&](std::string_view property, std::string_view name) {
    if (!Access::values(options.properties).contains(property)) return;
    const std::size_t at = message.find(name);
    if (at < first_at) first = property;
    first_at = std::min(first_at, at);
  };
  for (const Row& row : rows()) look(row.name, row.option);
  for (const NameInErrors& other : other_names) look(other.property, other.name);
  return first.empty() ? error : error.within(first);
}

void apply_properties(const kafka::BrokerOptions& from, ClientOptions& into) {
  rest_of(from).apply_to(into);
}

void apply_properties(const kafka::BrokerOptions& from, ProducerOptions& into) {
  rest_of(from).apply_to(into);
  into.idempotence = into.idempotence && into.acks == Acks::all;
}

void apply_properties(const kafka::BrokerOptions& from, ConsumerOptions& into) {
  const std::size_t most = into.max_poll_records;
  rest_of(from).apply_to(into);
  into.max_poll_records = std::min(into.max_poll_records, most);
}

Acks default_acks(const kafka::BrokerOptions& options) {
  return options.required_acks.value_or(Acks::all);
}

}  // namespace dohle::messaging

namespace dohle {
inline namespace v0 {
namespace kafka {

Properties::Properties(
    std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
  for (const auto& [name, value] : values) set(name, value);
}

Properties::Properties(const std::map<std::string, std::string>& values) {
  for (const auto& [name, value] : values) set(name, value);
}

void Properties::set(std::string_view name, std::string_view value) {
  values_.insert_or_assign(std::string(name), Secret(value));
  taken_.erase(std::string(name));
}

void Properties::merge(const Properties& later) {
  for (const auto& [name, value] : later.values_) set(name, value.reveal());
}

std::vector<std::string> Properties::names() const {
  std::vector<std::string> all;
  for (const auto& [name, value] : values_) all.push_back(name);
  return all;
}

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
