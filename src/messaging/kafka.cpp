#include "dohle/kafka.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/broker_errors.hpp"
#include "base/call_deadline.hpp"
#include "messaging/broker_access.hpp"
#include "messaging/broker_runtime.hpp"
#include "messaging/embedded/embedded_address.hpp"
#include "messaging/options/broker_properties.hpp"
#include "messaging/options/settings.hpp"
#include "messaging/options/skipped_option.hpp"
#include "messaging/options/whole_configs.hpp"
#include "messaging/publish/publish_chain.hpp"
#include "messaging/reports/reports.hpp"

namespace dohle {

namespace messaging {

Result<bool> create_topic(Admin& admin, const std::string& topic, std::int32_t partitions,
                          std::int16_t replication_factor,
                          std::optional<std::chrono::milliseconds> timeout) {
  auto made = admin.create_topics(
      {{.name = topic, .partitions = partitions, .replication_factor = replication_factor}},
      {.timeout = timeout});
  if (!made) return fail(made.error());
  bool was_there = false;
  for (const Named<CreatedTopic>& each : *made) {
    if (each.result) continue;
    if (!each.result.error().is_broker(broker_error::topic_already_exists)) {
      return fail(each.result.error());
    }
    was_there = true;
  }
  return was_there;
}

Result<std::string> other_partitions(Admin& admin, const std::string& topic,
                                     std::int32_t partitions,
                                     std::optional<std::chrono::milliseconds> timeout) {
  if (partitions == -1) return std::string();
  auto described = admin.describe_topics({topic}, {.timeout = timeout});
  if (!described) return fail(described.error());
  for (const Named<TopicDescription>& each : *described) {
    if (!each.result) return fail(each.result.error());
    const std::size_t there = each.result->partitions.size();
    if (there == static_cast<std::size_t>(partitions)) continue;
    return "it exists with " + std::to_string(there) + " partitions, not " +
           std::to_string(partitions);
  }
  return std::string();
}

}  // namespace messaging

inline namespace v0 {
namespace kafka {

namespace {

using std::chrono::milliseconds;

CallDeadline deadline_of(milliseconds timeout) {
  return CallDeadline(call_timeout(timeout));
}

/// Creates a topic. It succeeds if the topic exists with the requested number of partitions.
Result<void> create(Admin& admin, const std::string& topic, std::int32_t partitions,
                    std::int16_t replication_factor, const CallDeadline& deadline) {
  auto was_there =
      messaging::create_topic(admin, topic, partitions, replication_factor, deadline.left());
  if (!was_there) return fail(was_there.error());
  if (!*was_there) return {};
  auto differs = messaging::other_partitions(admin, topic, partitions, deadline.left());
  if (!differs) return fail(differs.error());
  if (differs->empty()) return {};
  return fail(
      Error::broker(broker_error::topic_already_exists, "create topic " + topic + ": " + *differs));
}

/// A connected broker for a single call about topics.
Result<Broker> connected(std::vector<std::string> addresses, const CallDeadline& deadline) {
  for (const std::string& address : addresses) {
    if (!messaging::is_embedded(address)) continue;
    auto parsed = messaging::parse_embedded(address, "/");
    if (parsed && parsed->is_private()) {
      return fail(Error::configuration("address is " + address +
                                       ", which only its own Broker reaches; pass the Broker "
                                       "instead, or use embedded:memory/NAME"));
    }
  }
  auto broker = new_broker({.addresses = std::move(addresses)});
  if (!broker) return broker;
  if (auto reached = broker->connect(deadline.left()); !reached) return fail(reached.error());
  return broker;
}

/// A connected client for a single call about topics.
Result<Client> connected(ClientOptions options, const CallDeadline& deadline) {
  auto client = Client::create(std::move(options));
  if (!client) return client;
  if (auto reached = client->connect(deadline.left()); !reached) return fail(reached.error());
  return client;
}

Result<Admin> admin_of(const Broker& broker) {
  const auto& runtime = messaging::BrokerAccess::runtime(broker);
  if (!runtime) return fail(Error::client(Errc::closed, "the Broker was moved from"));
  return runtime->admin();
}

}  // namespace

Result<Broker> new_broker(BrokerOptions options) {
  messaging::take_configs(options);
  messaging::take_properties(options);
  messaging::skip_option(options);
  if (auto checked = messaging::check(options); !checked) return fail(checked.error());
  return messaging::BrokerAccess::make(
      std::make_shared<messaging::BrokerRuntime>(std::move(options)));
}

Result<void> create_topic(Broker& broker, std::string topic, std::int32_t partitions,
                          std::int16_t replication_factor, milliseconds timeout) {
  const CallDeadline deadline = deadline_of(timeout);
  auto admin = admin_of(broker);
  if (!admin) return fail(admin.error());
  return create(*admin, topic, partitions, replication_factor, deadline);
}

Result<void> create_topic(std::vector<std::string> addresses, std::string topic,
                          std::int32_t partitions, std::int16_t replication_factor,
                          milliseconds timeout) {
  const CallDeadline deadline = deadline_of(timeout);
  auto broker = connected(std::move(addresses), deadline);
  if (!broker) return fail(broker.error());
  return create_topic(*broker, std::move(topic), partitions, replication_factor, deadline.left());
}

Result<void> create_topic(ClientOptions client, std::string topic, std::int32_t partitions,
                          std::int16_t replication_factor, milliseconds timeout) {
  const CallDeadline deadline = deadline_of(timeout);
  auto reached = connected(std::move(client), deadline);
  if (!reached) return fail(reached.error());
  Admin admin = reached->admin();
  return create(admin, topic, partitions, replication_factor, deadline);
}

Result<void> create_topic(std::string address, std::string topic, std::int32_t partitions,
                          std::int16_t replication_factor, milliseconds timeout) {
  return create_topic(std::vector<std::string>{std::move(address)}, std::move(topic), partitions,
                      replication_factor, timeout);
}

Result<std::vector<Named<void>>> delete_topic(Broker& broker, std::vector<std::string> topics,
                                              milliseconds timeout) {
  const CallDeadline deadline = deadline_of(timeout);
  auto admin = admin_of(broker);
  if (!admin) return fail(admin.error());
  return admin->delete_topics(std::move(topics), {.timeout = deadline.left()});
}

Result<std::vector<Named<void>>> delete_topic(std::vector<std::string> addresses,
                                              std::vector<std::string> topics,
                                              milliseconds timeout) {
  const CallDeadline deadline = deadline_of(timeout);
  auto broker = connected(std::move(addresses), deadline);
  if (!broker) return fail(broker.error());
  return delete_topic(*broker, std::move(topics), deadline.left());
}

Result<std::vector<Named<void>>> delete_topic(ClientOptions client, std::vector<std::string> topics,
                                              milliseconds timeout) {
  const CallDeadline deadline = deadline_of(timeout);
  auto reached = connected(std::move(client), deadline);
  if (!reached) return fail(reached.error());
  return reached->admin().delete_topics(std::move(topics), {.timeout = deadline.left()});
}

Result<std::vector<Named<void>>> delete_topic(std::string address, std::vector<std::string> topics,
                                              milliseconds timeout) {
  return delete_topic(std::vector<std::string>{std::move(address)}, std::move(topics), timeout);
}

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
