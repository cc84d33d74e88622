// Disturbed messaging at nodes (disturbed_messaging.hpp). scripts/kills runs more rounds.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dohle/node.hpp"
#include "fault/disturbed_messaging.hpp"
#include "fault/node_process.hpp"
#include "integration/relay.hpp"

namespace dohle::fault {
namespace {

/// DOHLE_ROUNDS: how often something ends. Default: 20.
int rounds() {
  const char* const text = std::getenv("DOHLE_ROUNDS");
  return text == nullptr ? 20 : std::atoi(text);
}

class MessagingFaults : public DisturbedMessaging {
 protected:
  void start_node() {
    const std::string at = at_port(port_);
    node_ =
        std::make_unique<NodeProcess>(scratch_ / "data", std::vector<std::string>{"--listen", at});
    ASSERT_NE(node_->port(), 0) << node_->lines();
    port_ = node_->port();
    address_ = at_port(port_);
  }
  /// For a member at `relay`, and for the test at `address_`.
  void start_relayed_node(Relay& relay) {
    auto node =
        Node::start({.data_dir = ":memory:",
                     .listeners = {{.name = "relayed",
                                    .address = "127.0.0.1:0",
                                    .advertised = "127.0.0.1:" + std::to_string(relay.port())},
                                   {.name = "direct", .address = "127.0.0.1:0"}}});
    ASSERT_TRUE(node) << node.error().to_string();
    near_node_.emplace(std::move(*node));
    relay.aim_at(port_of(near_node_->listeners()[0].address));
    address_ = near_node_->listeners()[1].address;
  }
  static std::uint16_t port_of(const std::string& address) {
    return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  }

  static std::string at_port(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

  std::uint16_t port_ = 0;
  std::unique_ptr<NodeProcess> node_;
  std::optional<Node> near_node_;
};

TEST_F(MessagingFaults, LoseNothingWhenTheMemberIsKilled) {
  start_node();
  connect();
  lose_members(rounds());
}

TEST_F(MessagingFaults, LoseNothingWhenTheNodeIsKilled) {
  start_node();
  connect();
  lose_servers(rounds(), [this] {
    node_->kill();
    start_node();
  });
}

TEST_F(MessagingFaults, LoseNothingWhenConnectionsAreCut) {
  Relay relay(0);
  start_relayed_node(relay);
  connect();
  const auto member = member_at("127.0.0.1:" + std::to_string(relay.port()));
  for (int round = 0; round < rounds() && !HasFailure(); ++round) {
    publish();
    handle_some();
    note_begin("the connections were cut");
    std::size_t before = 0;
    ASSERT_TRUE(relay.wait_until(
        [&](const auto& seen) {
          before = seen.size();
          return true;
        },
        patience));
    relay.cut();
    // The member dials again.
    ASSERT_TRUE(relay.wait_until([&](const auto& seen) { return seen.size() > before; }, patience));
    note_mended();
  }
  check_all();
  member->kill();
  check_redeliveries();
}

}  // namespace
}  // namespace dohle::fault
