#include "simulation/publishing.hpp"

#include <string>
#include <utility>
#include <vector>

#include "dohle/kafka.hpp"
#include "messaging/broker_access.hpp"
#include "messaging/broker_runtime.hpp"

namespace dohle::simulation {

using namespace std::chrono_literals;

kafka::BrokerOptions options_of_member(std::string group_id) {
  kafka::BrokerOptions options;
  options.group_id = std::move(group_id);
  options.session_timeout = 6s;
  options.heartbeat_interval = 1'500ms;
  options.rebalance_timeout = 5s;
  // At a node without power a JoinGroup waits for this time and 5 s more.
  options.max_poll_interval = 20s;
  return options;
}

Broker make_broker(Application& application, kafka::BrokerOptions options) {
  options.addresses = {"node:9092"};
  options.client_id = application.name();
  options.enable_error_logger = false;
  return messaging::BrokerAccess::make(std::make_shared<messaging::BrokerRuntime>(
      std::move(options), [&application](const ClientOptions& asked) {
        return client::make_client(asked, application.environment());
      }));
}

Publishing::Publishing(Stage& stage, Ledger& ledger, std::int32_t partitions)
    : application_(stage, "publishing"), ledger_(ledger), partitions_(partitions) {}

void Publishing::run() {
  Broker broker = make_broker(application_, {});
  while (!application_.within("Broker::connect", 3s, [&] { return broker.connect(3s); })) continue;
  for (int left = messages; left > 0; --left) {
    publish_one(broker);
    if (application_.one_in(20)) {
      constexpr std::chrono::milliseconds timeouts[] = {20ms, 10s};
      const auto timeout = timeouts[application_.draw(std::size(timeouts))];
      (void)application_.within("Broker::flush", timeout, [&] { return broker.flush(timeout); });
    }
    application_.pass_time(application_.up_to(application_.one_in(3) ? 2ms : 900ms));
  }
  const auto timeout = application_.one_in(2) ? 1s : 20s;
  const auto ended = application_.within("Broker::disconnect", timeout,
                                         [&] { return broker.disconnect(timeout); });
  for (auto& [message, delivery] : deliveries_) {
    if (delivery.is_done()) {
      told(message, delivery.wait(0ms));
    } else if (ended) {
      application_.accuse("disconnect returned before message " + std::to_string(message) +
                          " had an outcome");
    }
  }
  deliveries_.clear();
}

void Publishing::told(std::size_t message, Result<Receipt> outcome) {
  if (!outcome) application_.stage().effects.add(effect::record_failed);
  ledger_.told(message, std::move(outcome), application_.now());
}

void Publishing::publish_one(Broker& broker) {
  const PartitionId partition{
      static_cast<std::int32_t>(application_.draw(static_cast<std::uint64_t>(partitions_)))};
  const std::size_t message = ledger_.sent(1, partition);
  const std::string body = std::to_string(message) + " ";
  application_.note("publishes " + std::to_string(message));
  PublishOptions options;
  options.partition = partition;
  // Few partitions share a key, so handlers of one key run one at a time within the subscription.
  options.key = std::to_string(partition.value) + "/" + std::to_string(application_.draw(5));
  const std::uint64_t way = application_.draw(3);
  // Time to look the topic up and to wait for space.
  constexpr Duration max_block = 120s;
  if (way == 0) {
    options.async = false;
    const std::chrono::milliseconds timeout = application_.one_in(2) ? 300ms : 30s;
    options.timeout = timeout;
    auto published = application_.within("Broker::publish", max_block + timeout,
                                         [&] { return broker.publish("jobs", body, options); });
    return told(message, published ? published->wait(0ms) : fail(published.error()));
  }
  if (way == 1) {
    options.callback = [this, message](const Result<Receipt>& outcome) { told(message, outcome); };
  }
  auto published = application_.within("Broker::publish", max_block,
                                       [&] { return broker.publish("jobs", body, options); });
  if (!published) return told(message, fail(published.error()));
  if (way == 2) deliveries_.emplace_back(message, std::move(*published));
}

}  // namespace dohle::simulation
