#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "dohle/admin.hpp"
#include "dohle/broker.hpp"
#include "dohle/broker_options.hpp"
#include "dohle/client.hpp"
#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/options.hpp"
#include "dohle/pull_subscriber.hpp"
#include "dohle/redrive.hpp"
#include "dohle/writer.hpp"

namespace dohle {
inline namespace v0 {
namespace kafka {

/// Checks the options and makes a Broker; Broker::connect() connects it. Errors: configuration,
/// with the option, its value and the allowed values.
[[nodiscard]] DOHLE_API Result<Broker> new_broker(BrokerOptions options = {});

/// The same with `with_*` options: `new_broker(with_address("127.0.0.1:9092"),
/// with_batch_timeout(5ms))`. Errors: those of new_broker(BrokerOptions).
template <messaging::FirstOption<BrokerOptions> First, class... Options>
[[nodiscard]] Result<Broker> new_broker(First&& first, Options&&... options) {
  static_assert(messaging::are_options<BrokerOptions, First, Options...>,
                "dohle: new_broker takes BrokerOptions, or options of a broker: with_* functions "
                "that set a member of BrokerOptions");
  if constexpr (messaging::are_options<BrokerOptions, First, Options...>) {
    return new_broker(messaging::options_of<BrokerOptions>(std::forward<First>(first),
                                                           std::forward<Options>(options)...));
  }
}

/// Creates a topic. It also succeeds if the topic exists with the same number of partitions. A
/// `partitions` of -1 means the cluster's default, and then any existing topic is a success. A
/// `replication_factor` of -1 means the cluster's default. `timeout` applies to the whole call.
/// Default: 30 s. A call with addresses connects and disconnects; a call with a Broker uses the
/// Broker's connections. Thread safety: any thread. Errors: configuration (also for the address
/// "embedded:memory", which only its own Broker can reach); TOPIC_ALREADY_EXISTS (36) with both
/// numbers of partitions; not_connected; timed_out with the reason; would_deadlock on the client's
/// thread; the error that the controller answered.
DOHLE_API Result<void> create_topic(std::string address, std::string topic, std::int32_t partitions,
                                    std::int16_t replication_factor,
                                    std::chrono::milliseconds timeout = std::chrono::seconds(30));
DOHLE_API Result<void> create_topic(std::vector<std::string> addresses, std::string topic,
                                    std::int32_t partitions, std::int16_t replication_factor,
                                    std::chrono::milliseconds timeout = std::chrono::seconds(30));
DOHLE_API Result<void> create_topic(Broker& broker, std::string topic, std::int32_t partitions,
                                    std::int16_t replication_factor,
                                    std::chrono::milliseconds timeout = std::chrono::seconds(30));
/// The same with the servers, the login and the timeouts of `client`.
DOHLE_API Result<void> create_topic(ClientOptions client, std::string topic,
                                    std::int32_t partitions, std::int16_t replication_factor,
                                    std::chrono::milliseconds timeout = std::chrono::seconds(30));

/// The same: `create_topic({"one:9092", "two:9092"}, "orders", 6, 3)`.
inline Result<void> create_topic(std::initializer_list<std::string> addresses, std::string topic,
                                 std::int32_t partitions, std::int16_t replication_factor,
                                 std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
  return create_topic(std::vector<std::string>(addresses), std::move(topic), partitions,
                      replication_factor, timeout);
}

/// Deletes topics. Each topic has its own result. `timeout` and the errors of the whole call are
/// those of create_topic.
DOHLE_API Result<std::vector<Named<void>>> delete_topic(
    std::string address, std::vector<std::string> topics,
    std::chrono::milliseconds timeout = std::chrono::seconds(30));
DOHLE_API Result<std::vector<Named<void>>> delete_topic(
    std::vector<std::string> addresses, std::vector<std::string> topics,
    std::chrono::milliseconds timeout = std::chrono::seconds(30));
DOHLE_API Result<std::vector<Named<void>>> delete_topic(
    Broker& broker, std::vector<std::string> topics,
    std::chrono::milliseconds timeout = std::chrono::seconds(30));
/// The same with the servers, the login and the timeouts of `client`.
DOHLE_API Result<std::vector<Named<void>>> delete_topic(
    ClientOptions client, std::vector<std::string> topics,
    std::chrono::milliseconds timeout = std::chrono::seconds(30));
inline Result<std::vector<Named<void>>> delete_topic(
    std::initializer_list<std::string> addresses, std::vector<std::string> topics,
    std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
  return delete_topic(std::vector<std::string>(addresses), std::move(topics), timeout);
}
/// The same: `delete_topic("127.0.0.1:9092", "orders", "payments")`.
template <std::convertible_to<std::string>... Topics>
  requires(sizeof...(Topics) > 0)
Result<std::vector<Named<void>>> delete_topic(std::string address, Topics&&... topics) {
  return delete_topic(std::move(address),
                      std::vector<std::string>{std::string(std::forward<Topics>(topics))...});
}

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
