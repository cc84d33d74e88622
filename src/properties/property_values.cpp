#include "properties/property_values.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

#include "dohle/option_texts.hpp"
#include "properties/suggestion.hpp"
#include "properties/tls_options.hpp"
#include "properties/values.hpp"

namespace dohle::properties {

namespace {

constexpr std::int64_t day_ms = 86'400'000, minutes_10_ms = 600'000;

template <class Options>
struct Property {
  std::string_view name;
  Result<void> (*set)(std::string_view value, Options& options);
};

template <class T>
Result<void> assign(Result<T> read, auto& into) {
  if (!read) return fail(read.error());
  into = *std::move(read);
  return {};
}

/// A whole number; milliseconds if the member is a duration.
template <auto Member, std::int64_t Min, std::int64_t Max, class Options>
Result<void> number(std::string_view text, Options& options) {
  const auto count = parse_count(text, Min, Max);
  if (!count) return fail(count.error());
  auto& into = options.*Member;
  into = static_cast<std::remove_reference_t<decltype(into)>>(*count);
  return {};
}

template <auto Member, class Options>
Result<void> text(std::string_view value, Options& options) {
  options.*Member = std::string(value);
  return {};
}

Result<bool> parse_truth(std::string_view text) {
  if (text == "true" || text == "false") return text == "true";
  return fail(Error::configuration(fmt::format("\"{}\" is not one of true, false", text)));
}

template <auto Member, class Options>
Result<void> truth(std::string_view value, Options& options) {
  return assign(parse_truth(value), options.*Member);
}

/// -1, and 0 in librdkafka, mean the system's default.
template <auto Member>
Result<void> socket_buffer(std::string_view text, ClientOptions& options) {
  const auto count = parse_count(text, -1, INT32_MAX);
  if (!count) return fail(count.error());
  options.*Member = *count > 0 ? std::optional(static_cast<int>(*count)) : std::nullopt;
  return {};
}

/// -1 in Kafka's own clients and 0 in librdkafka keep unused connections.
Result<void> set_idle_timeout(std::string_view text, ClientOptions& options) {
  const auto count = parse_count(text, -1, day_ms);
  if (!count) return fail(count.error());
  options.idle_timeout.reset();
  if (*count > 0) options.idle_timeout = std::chrono::milliseconds(*count);
  return {};
}

Result<void> set_servers(std::string_view value, ClientOptions& options) {
  // The Client splits and checks lists of addresses.
  options.bootstrap_servers = {std::string(value)};
  return {};
}

/// As in Kafka's own clients, acks other than `all` disable idempotence unless enable.idempotence
/// is set.
Result<void> set_acks(std::string_view value, ProducerOptions& options) {
  auto acks = parse_acks(value);
  if (!acks) return fail(acks.error());
  options.acks = *acks;
  options.idempotence = options.acks == Acks::all;
  return {};
}

Result<void> set_linger(std::string_view value, ProducerOptions& options) {
  const auto count = parse_count(value, 0, 60'000);
  if (!count) return fail(count.error());
  options.linger = std::chrono::milliseconds(*count);
  return {};
}

Result<void> set_retries(std::string_view value, ProducerOptions& options) {
  const auto count = parse_count(value, 0, INT32_MAX);
  if (!count) return fail(count.error());
  options.retries = static_cast<std::int32_t>(*count);
  // Java's default, which means no limit.
  if (*count == INT32_MAX) options.retries.reset();
  return {};
}

Result<void> set_compression(std::string_view value, ProducerOptions& options) {
  return assign(parse_compression_codec(value), options.compression);
}

Result<void> set_offset_reset(std::string_view value, ConsumerOptions& options) {
  constexpr std::array resets = {std::pair{"earliest", OffsetReset::earliest},
                                 std::pair{"latest", OffsetReset::latest},
                                 std::pair{"none", OffsetReset::fail}};
  for (const auto& [name, reset] : resets) {
    if (value != name) continue;
    options.offset_reset = reset;
    return {};
  }
  return fail(
      Error::configuration(fmt::format("\"{}\" is not one of earliest, latest, none", value)));
}

using C = ClientOptions;
constexpr std::array client_properties = {
    Property<C>{"bootstrap.servers", set_servers},
    Property<C>{"client.id", text<&C::client_id, C>},
    Property<C>{"connections.max.idle.ms", set_idle_timeout},
    Property<C>{"default.api.timeout.ms", number<&C::default_api_timeout, 1, day_ms, C>},
    Property<C>{"metadata.max.age.ms", number<&C::metadata_max_age, 10, day_ms, C>},
    Property<C>{"receive.buffer.bytes", socket_buffer<&C::socket_receive_buffer_bytes>},
    Property<C>{"reconnect.backoff.max.ms", number<&C::max_reconnect_backoff, 0, day_ms, C>},
    Property<C>{"reconnect.backoff.ms", number<&C::reconnect_backoff, 0, day_ms, C>},
    Property<C>{"request.timeout.ms", number<&C::request_timeout, 1, minutes_10_ms, C>},
    Property<C>{"retry.backoff.max.ms", number<&C::max_retry_backoff, 0, day_ms, C>},
    Property<C>{"retry.backoff.ms", number<&C::retry_backoff, 0, day_ms, C>},
    Property<C>{"send.buffer.bytes", socket_buffer<&C::socket_send_buffer_bytes>},
    Property<C>{"socket.connection.setup.timeout.ms",
                number<&C::connect_timeout, 1, minutes_10_ms, C>},
};

using P = ProducerOptions;
constexpr std::array producer_properties = {
    // Applied before enable.idempotence, which overrides its effect on idempotence.
    Property<P>{"acks", set_acks},
    Property<P>{"batch.size", number<&P::batch_bytes, 512, 1 << 30, P>},
    Property<P>{"buffer.memory", number<&P::buffer_bytes, 32'768, INT64_MAX, P>},
    Property<P>{"compression.type", set_compression},
    Property<P>{"delivery.timeout.ms", number<&P::delivery_timeout, 1, day_ms, P>},
    Property<P>{"enable.idempotence", truth<&P::idempotence, P>},
    Property<P>{"linger.ms", set_linger},
    Property<P>{"max.block.ms", number<&P::max_block, 0, day_ms, P>},
    Property<P>{"max.in.flight.requests.per.connection", number<&P::max_in_flight, 1, 100, P>},
    Property<P>{"max.request.size", number<&P::max_request_bytes, 1'024, INT32_MAX, P>},
    Property<P>{"request.timeout.ms", number<&P::request_timeout, 1, minutes_10_ms, P>},
    Property<P>{"retries", set_retries},
};

using R = ConsumerOptions;
constexpr std::array consumer_properties = {
    Property<R>{"auto.offset.reset", set_offset_reset},
    Property<R>{"check.crcs", truth<&R::check_crcs, R>},
    Property<R>{"default.api.timeout.ms", number<&R::default_api_timeout, 1, day_ms, R>},
    Property<R>{"fetch.max.bytes", number<&R::max_fetch_bytes, 1'024, INT32_MAX, R>},
    Property<R>{"fetch.max.wait.ms", number<&R::max_fetch_wait, 0, minutes_10_ms, R>},
    Property<R>{"fetch.min.bytes", number<&R::min_fetch_bytes, 1, INT32_MAX, R>},
    Property<R>{"group.id", text<&R::group_id, R>},
    Property<R>{"group.instance.id", text<&R::group_instance_id, R>},
    Property<R>{"heartbeat.interval.ms", number<&R::heartbeat_interval, 1, day_ms, R>},
    Property<R>{"max.partition.fetch.bytes",
                number<&R::max_partition_fetch_bytes, 1'024, INT32_MAX, R>},
    Property<R>{"max.poll.interval.ms", number<&R::max_poll_interval, 1, day_ms, R>},
    Property<R>{"max.poll.records", number<&R::max_poll_records, 1, 1'000'000, R>},
    Property<R>{"request.timeout.ms", number<&R::request_timeout, 1, minutes_10_ms, R>},
    Property<R>{"session.timeout.ms", number<&R::session_timeout, 1, day_ms, R>},
};

/// A property of Kafka's clients for a feature that Dohle does not have yet.
struct LaterProperty {
  std::string_view name;
  std::string_view missing;
};
constexpr std::array later_properties = {
    LaterProperty{"client.rack", "reading from the nearest replica is missing"},
    LaterProperty{"group.protocol", "consumer groups by KIP-848 are missing; groups are classic"},
    LaterProperty{"isolation.level",
                  "transactions are missing; consumers read all records (read_uncommitted)"},
    LaterProperty{"partition.assignment.strategy",
                  "assignors other than range are missing; groups use range"},
    LaterProperty{"transactional.id", "transactions are missing"},
};

const auto* find(const auto& table, std::string_view name) {
  const auto found = std::ranges::find(table, name, [](const auto& each) { return each.name; });
  return found == table.end() ? nullptr : &*found;
}

/// True if the table has the name. `checked` becomes the setter's result for the value.
template <class Options>
bool check(const auto& table, std::string_view name, std::string_view value,
           Result<void>& checked) {
  const auto* property = find(table, name);
  if (property == nullptr) return false;
  Options scratch;
  if (checked) checked = property->set(value, scratch);
  return true;
}

std::vector<std::string> all_names() {
  std::vector<std::string> names = security_names();
  for (const auto& each : client_properties) names.emplace_back(each.name);
  for (const auto& each : producer_properties) names.emplace_back(each.name);
  for (const auto& each : consumer_properties) names.emplace_back(each.name);
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  return names;
}

void apply(const auto& table, const auto& values, auto& options) {
  for (const auto& property : table) {
    const auto found = values.find(property.name);
    // The value was checked when it was set.
    if (found != values.end()) (void)property.set(found->second, options);
  }
}

}  // namespace

Result<void> PropertyValues::set(std::string_view name, std::string_view value) {
  if (is_security_name(name)) {
    if (auto checked = check_security(name, value); !checked) return checked;
    security_.insert_or_assign(std::string(name), Secret(value));
    return {};
  }
  Result<void> checked;
  const bool of_client = check<C>(client_properties, name, value, checked);
  const bool of_producer = check<P>(producer_properties, name, value, checked);
  const bool of_consumer = check<R>(consumer_properties, name, value, checked);
  if (const LaterProperty* later = find(later_properties, name)) {
    return fail(
        Error::configuration(fmt::format("{} is not supported yet: {}", name, later->missing)));
  }
  if (!of_client && !of_producer && !of_consumer) {
    return fail(Error::configuration(
        fmt::format("there is no property {}{}", name, suggestion(name, all_names()))));
  }
  if (!checked) return fail(checked.error().within(name));
  values_.insert_or_assign(std::string(name), std::string(value));
  return {};
}

Result<void> PropertyValues::set_for(Role role, std::string_view name, std::string_view value) {
  const bool of_producer = find(producer_properties, name) != nullptr;
  const bool of_consumer = find(consumer_properties, name) != nullptr;
  const bool is_used = find(client_properties, name) != nullptr ||
                       (of_producer && (role == Role::producer || role == Role::both)) ||
                       (of_consumer && (role == Role::consumer || role == Role::both));
  if ((of_producer || of_consumer) && !is_used) {
    return fail(
        Error::configuration(fmt::format("{} is a property of {}, which this command does not use",
                                         name, of_producer ? "producers" : "consumers")));
  }
  return set(name, value);
}

void PropertyValues::merge(const PropertyValues& later) {
  for (const auto& [name, value] : later.values_) values_.insert_or_assign(name, value);
  for (const auto& [name, value] : later.security_) security_.insert_or_assign(name, value);
}

Result<void> PropertyValues::apply_security_to(ClientOptions& options) const {
  auto said = security();
  if (!said) return fail(said.error());
  if (said->tls) {
    auto tls = tls_options(*said->tls);
    if (!tls) return fail(tls.error());
    options.tls = *std::move(tls);
  }
  if (said->sasl) options.sasl = *std::move(said->sasl);
  return {};
}

bool PropertyValues::has_secret() const {
  return std::ranges::any_of(security_,
                             [](const auto& each) { return is_secret_name(each.first); });
}

void PropertyValues::apply_to(ClientOptions& options) const {
  apply(client_properties, values_, options);
}

void PropertyValues::apply_to(ProducerOptions& options) const {
  apply(producer_properties, values_, options);
}

void PropertyValues::apply_to(ConsumerOptions& options) const {
  apply(consumer_properties, values_, options);
}

}  // namespace dohle::properties
