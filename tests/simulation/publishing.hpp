#pragma once

#include <optional>
#include <string>

#include "dohle/broker.hpp"
#include "simulation/application.hpp"
#include "simulation/ledger.hpp"

namespace dohle::simulation {

/// The options of a Broker whose subscriptions are members of the group, with times that fit the
/// faults.
[[nodiscard]] kafka::BrokerOptions options_of_member(std::string group_id);
/// A Broker whose client runs in the application's process. Not connected yet.
[[nodiscard]] Broker make_broker(Application& application, kafka::BrokerOptions options);

/// An application that publishes to "jobs": synchronously, with callbacks, and with Deliveries that
/// it never reads.
class Publishing {
 public:
  Publishing(Stage& stage, Ledger& ledger, std::int32_t partitions);
  void start() {
    application_.start([this] { run(); });
  }

 private:
  static constexpr int messages = 150;
  void run();
  void publish_one(Broker& broker);
  void told(std::size_t message, Result<Receipt> outcome);

  Application application_;
  Ledger& ledger_;
  const std::int32_t partitions_;
  std::vector<std::pair<std::size_t, Delivery>> deliveries_;
};

}  // namespace dohle::simulation
