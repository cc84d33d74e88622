// Options of requests, through client and node.
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "options_fixture.hpp"

namespace {

/// A type with two codecs.
struct Landing {
  std::string airport;
};

template <char Mark>
struct MarkedLanding {
  static constexpr char name_text[] = {Mark, '\0'};
  static constexpr std::string_view name = name_text;
  static dohle::Result<void> encode(const Landing& landing, const dohle::CodecContext&,
                                    std::string& into) {
    into += Mark + landing.airport;
    return {};
  }
  static dohle::Result<Landing> decode(dohle::Bytes bytes, const dohle::CodecContext&) {
    return Landing{std::string(dohle::as_text(bytes).substr(1))};
  }
};

}  // namespace

template <>
struct dohle::Codecs<Landing> {
  using list = dohle::CodecList<MarkedLanding<'a'>, MarkedLanding<'b'>>;
};

namespace dohle {
namespace {

/// Requests to topic "t", which is answered with the request's body, its key, and the topic and
/// number of partitions of its replies.
class RequestOption : public Options {
 protected:
  template <class... Given>
  void connect_and_answer(Given&&... given) {
    connect(std::forward<Given>(given)...);
    for (const char* topic : {"dohle.replies", "here"}) {
      ASSERT_TRUE(kafka::create_topic(*broker_, topic, 1, 1));
    }
    auto made = broker_->reply<Message>("t", [this](const Message& request) {
      if (request.body() == "wait") gate_.pass();
      return Message(request.body().value_or("") + " " + request.key().value_or("") + " " +
                     request.find_header("kafka_replyTopic")->value.value_or(""));
    });
    ASSERT_TRUE(made) << made.error().to_string();
    responder_.emplace(std::move(*made));
    ASSERT_TRUE(responder_->wait_ready(patience));
  }
  template <class Value, class... Given>
  std::string ask(const Value& value, Given&&... given) {
    auto reply = broker_->request<std::string>("t", value, std::forward<Given>(given)...);
    return reply ? *reply : std::string(reply.error().name());
  }
  /// The time until a request that gets no reply ends.
  template <class... Given>
  std::chrono::steady_clock::duration time_of_a_request(Given&&... given) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(ask("wait", std::forward<Given>(given)...), "timed_out");
    return std::chrono::steady_clock::now() - start;
  }

  Gate gate_;
  std::optional<Subscriber> responder_;
  Opens opens_{gate_};
};

TEST_F(RequestOption, request_timeout_of_a_broker_ends_a_request_without_a_reply) {
  connect_and_answer(with_request_timeout(200ms));
  const auto took = time_of_a_request();
  EXPECT_GE(took, 200ms);
  EXPECT_LT(took, 5s);
}

TEST_F(RequestOption, timeout_of_a_request_overrides_that_of_the_broker) {
  connect_and_answer(with_request_timeout(8s));
  const auto took = time_of_a_request(with_request_timeout(200ms));
  EXPECT_GE(took, 200ms);
  EXPECT_LT(took, 5s);
}

TEST_F(RequestOption, reply_topic_of_a_broker_receives_the_replies) {
  connect_and_answer(with_reply_topic("here"));
  EXPECT_EQ(ask("text"), "text  here");
}

TEST_F(RequestOption, reply_topic_without_a_name_is_that_of_the_client_id) {
  connect_and_answer();
  EXPECT_EQ(ask("text"), "text  dohle.replies");
}

TEST_F(RequestOption, reply_topic_of_a_request_overrides_that_of_the_broker) {
  connect_and_answer(with_reply_topic("dohle.replies"));
  EXPECT_EQ(ask("text", with_reply_topic("here")), "text  here");
}

TEST_F(RequestOption, create_reply_topic_of_a_broker_creates_the_topic) {
  connect_and_answer(with_reply_topic("made"), with_reply_topic_creation(3, 1));
  EXPECT_EQ(ask("text"), "text  made");
  auto client = broker_->client();
  ASSERT_TRUE(client);
  const auto topics = client->admin().describe_topics({"made"});
  ASSERT_TRUE(topics && topics->front().result);
  EXPECT_EQ(topics->front().result->partitions.size(), 3u);
}

TEST_F(RequestOption, create_reply_topic_of_a_request_creates_the_topic) {
  connect_and_answer(with_reply_topic("made"));
  EXPECT_EQ(ask("text"), "no_such_topic");
  EXPECT_EQ(ask("text", with_reply_topic_creation(1, 1)), "text  made");
}

TEST_F(RequestOption, request_body_codec_of_a_broker_applies_to_requests_only) {
  connect_and_answer(with_request_body_codec("b"));
  EXPECT_EQ(ask(Landing{"LINZ"}), "bLINZ  dohle.replies");
  const auto sent = broker_->publish("t", Landing{"LINZ"});
  ASSERT_TRUE(sent) << sent.error().to_string();
}

TEST_F(RequestOption, body_codec_of_a_request_overrides_that_of_the_broker) {
  connect_and_answer(with_request_body_codec("a"));
  EXPECT_EQ(ask(Landing{"LINZ"}, with_request_body_codec("b")), "bLINZ  dohle.replies");
  const auto refused =
      broker_->request<std::string>("t", Landing{"LINZ"}, with_request_body_codec("c"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "body_codec is c; the codecs of this type are a, b");
}

TEST_F(RequestOption, max_requests_bounds_the_requests_under_way) {
  connect_and_answer(with_max_requests(1));
  auto waiting = broker_->request_future<std::string>("t", "wait");
  EXPECT_TRUE(gate_.holds(1));
  EXPECT_EQ(ask("text", with_request_timeout(1s)), "limit_reached");
  gate_.open();
  EXPECT_TRUE(waiting.get());
}

TEST_F(RequestOption, publish_options_apply_to_the_request) {
  connect_and_answer();
  EXPECT_EQ(ask("text", RequestOptions{.publish = {.key = "k"}}), "text k dohle.replies");
  EXPECT_EQ(ask("text", kafka::with_message_key("k")), "text k dohle.replies");
}

}  // namespace
}  // namespace dohle
