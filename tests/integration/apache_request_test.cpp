// Request and reply on Apache Kafka 4.3.1: the rules that touch a server's behaviour.
#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <string>
#include <vector>

#include "dohle/kafka.hpp"
#include "integration/apache_kafka_server.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 30s;

class ApacheRequestReply : public testing::Test {
 protected:
  static void SetUpTestSuite() { server_.emplace(); }
  static void TearDownTestSuite() { server_.reset(); }

  template <class... Given>
  static Broker connected(Given&&... given) {
    auto broker = kafka::new_broker(with_address(server_->address()),
                                    with_request_timeout(patience), std::forward<Given>(given)...);
    EXPECT_TRUE(broker) << broker.error().to_string();
    const auto reached = broker->connect(patience);
    EXPECT_TRUE(reached) << reached.error().to_string();
    return std::move(*broker);
  }
  static Subscriber respond(Broker& broker, const std::string& topic) {
    EXPECT_TRUE(kafka::create_topic(broker, topic, 2, 1));
    auto made = broker.reply<std::string>(
        topic, [](const std::string& text) { return text + "!"; }, with_group_id("of " + topic),
        with_concurrency(4));
    EXPECT_TRUE(made) << made.error().to_string();
    return std::move(*made);
  }

  static std::optional<ApacheKafkaServer> server_;
};
std::optional<ApacheKafkaServer> ApacheRequestReply::server_;

TEST_F(ApacheRequestReply, creates_the_reply_topic_and_delivers_the_first_reply) {
  Broker answering = connected();
  const auto responder = respond(answering, "first");
  Broker broker = connected(with_reply_topic("first.replies"), with_reply_topic_creation(2, 1));
  const auto reply = broker.request<std::string>("first", "text");
  ASSERT_TRUE(reply) << reply.error().to_string();
  EXPECT_EQ(*reply, "text!");
}

TEST_F(ApacheRequestReply, serves_two_requesters_on_one_partition) {
  Broker answering = connected();
  const auto responder = respond(answering, "shared");
  ASSERT_TRUE(kafka::create_topic(answering, "shared.replies", 1, 1));
  Broker one = connected(with_reply_topic("shared.replies"));
  Broker two = connected(with_reply_topic("shared.replies"));
  std::vector<std::future<Result<std::string>>> ones, twos;
  for (int i = 0; i < 100; ++i) {
    ones.push_back(one.request_future<std::string>("shared", "one " + std::to_string(i)));
    twos.push_back(two.request_future<std::string>("shared", "two " + std::to_string(i)));
  }
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(ones[i].get(), "one " + std::to_string(i) + "!");
    EXPECT_EQ(twos[i].get(), "two " + std::to_string(i) + "!");
  }
  EXPECT_EQ(one.request_counts().late_replies, 0u);
}

TEST_F(ApacheRequestReply, acknowledges_requests_after_their_replies) {
  Broker answering = connected(with_reply_topic("acked.replies"), with_reply_topic_creation(1, 1));
  auto responder = respond(answering, "acked");
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(answering.request<std::string>("acked", std::to_string(i)));
  }
  ASSERT_TRUE(responder.unsubscribe(patience));
  auto client = answering.client();
  ASSERT_TRUE(client);
  const auto offsets = client->admin().group_offsets("of acked");
  ASSERT_TRUE(offsets) << offsets.error().to_string();
  std::int64_t committed = 0;
  for (const GroupOffset& each : *offsets) committed += each.offset.value;
  EXPECT_EQ(committed, 10);
}

TEST_F(ApacheRequestReply, answers_with_an_error_and_counts_a_reply_to_a_deleted_topic) {
  Broker broker = connected(with_reply_topic("failing.replies"), with_reply_topic_creation(1, 1));
  ASSERT_TRUE(kafka::create_topic(broker, "failing", 1, 1));
  auto responder = broker.reply<std::string>(
      "failing",
      [](const std::string&) -> Result<std::string> {
        return fail(Error::client(Errc::not_found, "there is none"));
      },
      with_group_id("of failing"));
  ASSERT_TRUE(responder) << responder.error().to_string();
  ASSERT_TRUE(broker.publish("failing", Message("x").with_header("kafka_replyTopic", "gone")));
  const auto reply = broker.request<std::string>("failing", "text");
  ASSERT_FALSE(reply);
  EXPECT_TRUE(reply.error().is(Errc::handler_failed)) << reply.error().to_string();
  EXPECT_EQ(broker.request_counts().undeliverable, 1u);
}

}  // namespace
}  // namespace dohle
