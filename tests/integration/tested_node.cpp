#include <gtest/gtest.h>

#include <optional>

#include "dohle/node.hpp"
#include "tested_server.hpp"

namespace dohle {
namespace {

std::optional<Node> node;
std::string address;

class TestedNode final : public testing::Environment {
 public:
  void SetUp() override {
    auto started = Node::start({.data_dir = ":memory:", .listeners = {{.address = "127.0.0.1:0"}}});
    ASSERT_TRUE(started) << started.error().to_string();
    node.emplace(std::move(*started));
    address = node->address();
  }
  void TearDown() override { node.reset(); }
};

[[maybe_unused]] testing::Environment* const environment =
    testing::AddGlobalTestEnvironment(new TestedNode);

}  // namespace

const std::string& tested_address() {
  return address;
}

}  // namespace dohle
