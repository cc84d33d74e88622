#pragma once

#include <gtest/gtest.h>

#include <optional>

#include "dohle/client.hpp"
#include "dohle/node.hpp"

namespace dohle {

/// A node in memory, and a client that reaches it over TCP.
class ClientOnNode : public testing::Test {
 protected:
  void SetUp() override {
    auto node = Node::start({.data_dir = ":memory:", .listeners = {{.address = "127.0.0.1:0"}}});
    ASSERT_TRUE(node) << node.error().to_string();
    node_.emplace(std::move(*node));
    auto client = Client::create({.bootstrap_servers = {node_->address()}});
    ASSERT_TRUE(client) << client.error().to_string();
    client_.emplace(std::move(*client));
  }

  std::optional<Node> node_;
  std::optional<Client> client_;
};

}  // namespace dohle
