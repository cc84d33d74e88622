#include "recorded_node.hpp"

#include <cstdint>

#include <gtest/gtest.h>

#include "base/slice.hpp"
#include "dohle/kafka.hpp"
#include "wire/big_endian.hpp"

namespace dohle {

RecordedNode::RecordedNode() {
  auto node = Node::start(
      {.data_dir = ":memory:",
       .listeners = {{.name = "relayed", .address = "127.0.0.1:0", .advertised = address()},
                     {.name = "direct", .address = "127.0.0.1:0"}}});
  if (!node) {
    ADD_FAILURE() << node.error().to_string();
    return;
  }
  node_.emplace(std::move(*node));
  const auto& listening = node_->listeners();
  relay_.aim_at(static_cast<std::uint16_t>(
      std::stoi(listening[0].address.substr(listening[0].address.rfind(':') + 1))));
  direct_ = listening[1].address;
  const auto made = kafka::create_topic(direct_, "t", 3, 1);
  EXPECT_TRUE(made) << made.error().to_string();
}

std::vector<wire::RequestFrame> RecordedNode::requests_of(const std::string& bytes) {
  std::vector<wire::RequestFrame> found;
  Slice rest = Slice::copy_of(bytes);
  while (rest.size() >= 4) {
    const auto size =
        static_cast<std::size_t>(wire::load_big_endian<std::int32_t>(rest.bytes().data()));
    if (rest.size() < 4 + size) break;
    auto frame = wire::decode_request_header(rest.sub(4, size));
    if (frame) found.push_back(std::move(*frame));
    rest = rest.sub(4 + size);
  }
  return found;
}

std::vector<wire::RequestFrame> RecordedNode::requests_in(const std::vector<Relay::Seen>& seen) {
  std::vector<wire::RequestFrame> all;
  for (const Relay::Seen& connection : seen) {
    for (wire::RequestFrame& each : requests_of(connection.to_server)) {
      all.push_back(std::move(each));
    }
  }
  return all;
}

}  // namespace dohle
