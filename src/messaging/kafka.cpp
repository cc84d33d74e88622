#include "dohle/kafka.hpp"

#include <utility>

#include "messaging/broker_runtime.hpp"
#include "messaging/embedded_address.hpp"
#include "messaging/publish_chain.hpp"
#include "messaging/settings.hpp"

namespace dohle {

namespace messaging {

namespace {
/// TOPIC_ALREADY_EXISTS
constexpr std::int16_t topic_already_exists = 36;
}  // namespace

Result<void> create_topic(Admin& admin, const std::string& topic, std::int32_t partitions,
                          std::int16_t replication_factor) {
  auto made = admin.create_topics(
      {{.name = topic, .partitions = partitions, .replication_factor = replication_factor}});
  if (!made) return fail(made.error());
  for (const Named<CreatedTopic>& each : *made) {
    if (!each.result && !each.result.error().is_broker(topic_already_exists)) {
      return fail(each.result.error());
    }
  }
  return {};
}

}  // namespace messaging

inline namespace v0 {
namespace kafka {

namespace {

constexpr std::chrono::seconds topic_timeout{30};

/// A broker for one call about topics.
Result<Broker> connected(std::vector<std::string> addresses) {
  for (const std::string& address : addresses) {
    if (!messaging::is_embedded(address)) continue;
    auto parsed = messaging::parse_embedded(address, "/");
    if (parsed && parsed->is_private()) {
      return fail(Error::configuration("address is " + address +
                                       ", which only its own Broker reaches; give the Broker "
                                       "instead, or use embedded:memory/NAME"));
    }
  }
  auto broker = new_broker({.addresses = std::move(addresses)});
  if (!broker) return broker;
  if (auto reached = broker->connect(topic_timeout); !reached) return fail(reached.error());
  return broker;
}

}  // namespace

namespace {

Result<Admin> admin_of(const Broker& broker) {
  if (!broker.core()) return fail(Error::client(Errc::closed, "the Broker was moved from"));
  return broker.core()->admin();
}

}  // namespace

Result<Broker> new_broker(BrokerOptions options) {
  if (auto checked = messaging::check(options); !checked) return fail(checked.error());
  return Broker(std::make_shared<messaging::BrokerRuntime>(std::move(options)));
}

Result<void> create_topic(Broker& broker, std::string topic, std::int32_t partitions,
                          std::int16_t replication_factor) {
  auto admin = admin_of(broker);
  if (!admin) return fail(admin.error());
  return messaging::create_topic(*admin, topic, partitions, replication_factor);
}

Result<void> create_topic(std::vector<std::string> addresses, std::string topic,
                          std::int32_t partitions, std::int16_t replication_factor) {
  auto broker = connected(std::move(addresses));
  if (!broker) return fail(broker.error());
  return create_topic(*broker, std::move(topic), partitions, replication_factor);
}

Result<void> create_topic(std::string address, std::string topic, std::int32_t partitions,
                          std::int16_t replication_factor) {
  return create_topic(std::vector<std::string>{std::move(address)}, std::move(topic), partitions,
                      replication_factor);
}

Result<std::vector<Named<void>>> delete_topic(Broker& broker, std::vector<std::string> topics) {
  auto admin = admin_of(broker);
  if (!admin) return fail(admin.error());
  return admin->delete_topics(std::move(topics));
}

Result<std::vector<Named<void>>> delete_topic(std::vector<std::string> addresses,
                                              std::vector<std::string> topics) {
  auto broker = connected(std::move(addresses));
  if (!broker) return fail(broker.error());
  return delete_topic(*broker, std::move(topics));
}

Result<std::vector<Named<void>>> delete_topic(std::string address,
                                              std::vector<std::string> topics) {
  return delete_topic(std::vector<std::string>{std::move(address)}, std::move(topics));
}

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
