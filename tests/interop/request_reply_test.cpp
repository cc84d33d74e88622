// Request and reply with a peer in Python that has the headers and bytes of spring-kafka.
#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <string>

#include "dohle/kafka.hpp"
#include "dohle/node.hpp"
#include "printed_by.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 30s;

std::string run_peer(const std::string& arguments) {
  return printed_by(std::string(DOHLE_PEER) + " " + arguments + " 2>&1");
}

class SpringPeer : public testing::Test {
 protected:
  SpringPeer() {
    auto node = Node::start({.data_dir = ":memory:", .listeners = {{.address = "127.0.0.1:0"}}});
    EXPECT_TRUE(node) << node.error().to_string();
    node_.emplace(std::move(*node));
    auto made = kafka::new_broker(with_address(node_->address()), with_reply_topic("replies"));
    EXPECT_TRUE(made && made->connect(patience));
    broker_.emplace(std::move(*made));
    for (const char* topic : {"questions", "replies"}) {
      EXPECT_TRUE(kafka::create_topic(*broker_, topic, 1, 1));
    }
  }

  std::optional<Node> node_;
  std::optional<Broker> broker_;
};

TEST_F(SpringPeer, answers_requests_of_a_broker) {
  auto peer = std::async(std::launch::async,
                         [&] { return run_peer("respond " + node_->address() + " 3"); });
  for (const char* text : {"jackdaw", "crow", "raven"}) {
    const auto reply = broker_->request<Message>("questions", Message(text).with_key("k"),
                                                 RequestOptions{.timeout = patience});
    ASSERT_TRUE(reply) << reply.error().to_string();
    std::string upper(text);
    for (char& each : upper) each = static_cast<char>(each - 'a' + 'A');
    EXPECT_EQ(reply->body(), upper);
    EXPECT_EQ(reply->key(), "k");
  }
  EXPECT_EQ(peer.get(), "");
}

TEST_F(SpringPeer, gets_the_replies_of_a_broker) {
  auto responder = broker_->reply<std::string>(
      "questions",
      [](const std::string& text) -> Result<std::string> {
        if (text == "dodo") return fail(Error::client(Errc::not_found, "it is extinct"));
        return text + "s";
      },
      with_group_id("g"));
  ASSERT_TRUE(responder) << responder.error().to_string();
  EXPECT_EQ(run_peer("request " + node_->address() + " jackdaw dodo crow"),
            "jackdaw -> jackdaws\ndodo -> not_found: it is extinct\ncrow -> crows\n");
}

}  // namespace
}  // namespace dohle
