// Request and reply between brokers on one node. The names of the tests are the rules.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"
#include "dohle/node.hpp"
#include "options_fixture.hpp"

namespace dohle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Question {
  std::string bird;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Question, bird)
};
struct Answer {
  std::string text;
  int count = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Answer, text, count)
};

Result<Answer> count_birds(const Question& question) {
  if (question.bird.empty()) return fail(Error::client(Errc::invalid_argument, "no bird is named"));
  return Answer{question.bird + "s", static_cast<int>(question.bird.size())};
}

constexpr auto first = StartOffset::first();

/// A node at a port, with the topics "questions" and "replies" of one partition each.
class RequestReply : public testing::Test {
 protected:
  RequestReply() {
    auto node = Node::start({.data_dir = ":memory:", .listeners = {{.address = "127.0.0.1:0"}}});
    EXPECT_TRUE(node) << node.error().to_string();
    node_.emplace(std::move(*node));
    for (const char* topic : {"questions", "replies"}) {
      EXPECT_TRUE(kafka::create_topic(address(), topic, 1, 1));
    }
  }
  const std::string& address() const { return node_->address(); }

  template <class... Given>
  Broker requester(Given&&... given) {
    return std::move(
        *connected(address(), with_reply_topic("replies"), std::forward<Given>(given)...));
  }
  /// Answers in the group "g", from the first request on.
  template <class Handler, class... Given>
  Subscriber respond(Broker& broker, Handler handler, Given&&... given) {
    auto made = broker.reply<Question>("questions", std::move(handler), with_group_id("g"),
                                       std::forward<Given>(given)...);
    EXPECT_TRUE(made) << made.error().to_string();
    return std::move(*made);
  }
  /// The committed offset of the group "g", once its members have left.
  std::optional<std::int64_t> committed() {
    auto client = Client::create({.bootstrap_servers = {address()}});
    EXPECT_TRUE(client && client->connect(patience));
    const auto offsets = client->admin().group_offsets("g");
    EXPECT_TRUE(offsets) << offsets.error().to_string();
    return offsets->empty() ? std::nullopt : std::optional(offsets->front().offset.value);
  }
  /// Starts the reading of replies, so that a short timeout is that of the request alone.
  void warm_up(Broker& broker) {
    ASSERT_TRUE(kafka::create_topic(broker, "warm", 1, 1));
    const auto answering = broker.reply<std::string>(
        "warm", [](const std::string& text) { return text; }, with_group_id("warm"));
    ASSERT_TRUE(answering) << answering.error().to_string();
    EXPECT_EQ(broker.request<std::string>("warm", "text", patience), "text");
  }
  /// Waits until the counts of a broker are so.
  template <class IsSo>
  static bool wait_for_counts(const Broker& broker, IsSo is_so) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < deadline) {
      if (is_so(broker.request_counts())) return true;
      std::this_thread::yield();
    }
    return false;
  }

  Gate gate_;
  Lines lines_;
  std::optional<Node> node_;
};

TEST_F(RequestReply, delivers_a_typed_request_to_its_handler_and_returns_the_reply) {
  Broker broker = requester();
  const auto responder = respond(broker, count_birds);
  const auto answer = broker.request<Answer>("questions", Question{"jackdaw"});
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(answer->text, "jackdaws");
  EXPECT_EQ(answer->count, 7);
  const RequestCounts counts = broker.request_counts();
  EXPECT_EQ(counts.replies, 1u);
  EXPECT_EQ(counts.under_way, 0u);
}

// When the first request is made, only the connection exists. The reply is stored before the reader
// can have fetched; it is not missed, and earlier records of the partition are not read.
TEST_F(RequestReply, looks_up_the_end_of_its_partition_before_the_first_request_is_sent) {
  Broker other = requester();
  const auto responder = respond(other, count_birds);
  ASSERT_TRUE(responder.topic() == "questions");
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(other.publish("replies", "of earlier requesters", with_publish_async(false)));
  }
  for (int i = 0; i < 10; ++i) {
    Broker broker = requester();
    const auto answer = broker.request<Answer>("questions", Question{"crow"}, patience);
    ASSERT_TRUE(answer) << answer.error().to_string();
    EXPECT_EQ(broker.request_counts().foreign_replies, 0u);
  }
}

TEST_F(RequestReply, assigns_its_partition_by_hand_and_is_in_no_group) {
  Broker broker = requester(with_group_id("of all subscriptions"));
  auto responder =
      broker.reply<Question>("questions", count_birds, SubscribeOptions{.group_id = ""});
  ASSERT_TRUE(responder) << responder.error().to_string();
  ASSERT_TRUE(responder->wait_ready(patience));
  const auto answer = broker.request<Answer>("questions", Question{"crow"});
  ASSERT_TRUE(answer) << answer.error().to_string();
  auto client = broker.client();
  ASSERT_TRUE(client);
  const auto groups = client->admin().list_groups();
  ASSERT_TRUE(groups);
  EXPECT_THAT(*groups, IsEmpty());
}

TEST_F(RequestReply, sends_the_reply_topic_its_partition_the_correlation_and_the_deadline) {
  Broker broker = requester();
  const auto before = std::chrono::system_clock::now();
  auto reader = broker.subscribe(
      "questions",
      [&](RawEvent event) {
        lines_.add(std::string(event.header("kafka_replyTopic").value_or("none")));
        lines_.add(std::string(event.header("kafka_replyPartition").value_or("none")));
        lines_.add(std::to_string(event.header("kafka_correlationId").value_or("").size()));
        lines_.add(std::string(event.header("dohle-deadline").value_or("none")));
        lines_.add(std::string(event.header("mine").value_or("none")));
        lines_.add(std::string(event.key().value_or("none")));
      },
      kafka::with_start_offset(first));
  ASSERT_TRUE(reader);
  const auto waiting = broker.request_future<Answer>(
      "questions", Question{"crow"},
      RequestOptions{.timeout = patience, .publish = {.key = "k", .headers = {{"mine", "too"}}}});
  ASSERT_TRUE(lines_.wait_for(6));
  const auto all = lines_.all();
  EXPECT_EQ(all[0], "replies");
  EXPECT_EQ(all[1], std::string(4, '\0'));
  EXPECT_EQ(all[2], "16");
  const std::chrono::milliseconds deadline(std::stoll(all[3]));
  EXPECT_GE(deadline,
            std::chrono::floor<std::chrono::milliseconds>(before.time_since_epoch()) + patience);
  EXPECT_LE(deadline, std::chrono::system_clock::now().time_since_epoch() + patience);
  EXPECT_EQ(all[4], "too");
  EXPECT_EQ(all[5], "k");
}

TEST_F(RequestReply, ends_and_counts_a_request_without_a_reply_in_time) {
  Broker broker = requester();
  warm_up(broker);
  const auto answer = broker.request<Answer>("questions", Question{"crow"}, 100ms);
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().is(Errc::timed_out));
  EXPECT_EQ(answer.error().message(), "the request to topic questions has no reply in time");
  EXPECT_EQ(broker.request_counts().timed_out, 1u);
}

TEST_F(RequestReply, ignores_and_counts_a_late_reply) {
  Broker broker = requester();
  const auto responder = respond(broker, [this](const Question& question) {
    if (question.bird == "slow") gate_.pass();
    return count_birds(question);
  });
  const Opens opens{gate_};
  warm_up(broker);
  const auto late = broker.request<Answer>("questions", Question{"slow"}, 200ms);
  ASSERT_FALSE(late);
  gate_.open();
  EXPECT_TRUE(wait_for_counts(broker, [](auto counts) { return counts.late_replies == 1; }));
  EXPECT_TRUE(broker.request<Answer>("questions", Question{"crow"}));
}

TEST_F(RequestReply, ends_its_wait_at_a_stop_and_ignores_the_late_reply) {
  Broker broker = requester();
  const auto responder = respond(broker, [this](const Question& question) {
    if (question.bird == "slow") gate_.pass();
    return count_birds(question);
  });
  const Opens opens{gate_};
  std::stop_source source;
  auto asked = std::async(std::launch::async, [&] {
    return broker.request<Answer>("questions", Question{"slow"}, patience, source.get_token());
  });
  ASSERT_TRUE(gate_.holds(1));
  EXPECT_TRUE(source.request_stop());
  const auto stopped = asked.get();
  ASSERT_FALSE(stopped);
  EXPECT_TRUE(stopped.error().is(Errc::cancelled)) << stopped.error().to_string();
  EXPECT_EQ(stopped.error().stored(), Stored::possibly);
  EXPECT_EQ(broker.request_counts().under_way, 0u);
  EXPECT_EQ(broker.request_counts().timed_out, 0u);
  gate_.open();
  EXPECT_TRUE(wait_for_counts(broker, [](auto counts) { return counts.late_replies == 1; }));
  EXPECT_TRUE(broker.request<Answer>("questions", Question{"crow"}));
}

TEST_F(RequestReply, sends_nothing_after_a_stop) {
  Broker broker = requester();
  std::stop_source source;
  EXPECT_TRUE(source.request_stop());
  const auto stopped = broker.request<Answer>(
      "questions", Question{"crow"}, RequestOptions{.timeout = patience}, source.get_token());
  ASSERT_FALSE(stopped);
  EXPECT_TRUE(stopped.error().is(Errc::cancelled)) << stopped.error().to_string();
  EXPECT_EQ(stopped.error().stored(), Stored::no);
  const auto first_stored = broker.publish("questions", "later", with_publish_async(false));
  ASSERT_TRUE(first_stored) << first_stored.error().to_string();
  EXPECT_EQ(first_stored->get()->offset, Offset{0});
}

TEST_F(RequestReply, drops_a_second_reply) {
  Broker broker = requester();
  auto twice = broker.subscribe(
      "questions",
      [&](RawEvent event) {
        for (const char* text : {"one", "two"}) {
          Message reply(text);
          reply.with_header("kafka_correlationId",
                            std::string(*event.header("kafka_correlationId")));
          EXPECT_TRUE(broker.publish("replies", reply));
        }
      },
      kafka::with_start_offset(first));
  ASSERT_TRUE(twice);
  EXPECT_EQ(broker.request<std::string>("questions", "text"), "one");
  EXPECT_TRUE(wait_for_counts(broker, [](auto counts) { return counts.late_replies == 1; }));
  EXPECT_EQ(broker.request_counts().replies, 1u);
}

TEST_F(RequestReply, answers_with_an_error_if_the_handler_fails_and_reports_it_once) {
  Broker answering = requester(with_error_handler([this](const Failure& failure) {
    lines_.add(std::string(failure.error.message()) + " at offset " +
               std::to_string(failure.offset.value));
  }));
  auto responder = respond(answering, [](const Question& question) -> Result<Answer> {
    if (question.bird == "throws") throw std::runtime_error("it fell");
    return count_birds(question);
  });
  Broker broker = requester();
  const auto failed = broker.request<Answer>("questions", Question{""});
  ASSERT_FALSE(failed);
  EXPECT_TRUE(failed.error().is(Errc::handler_failed));
  EXPECT_EQ(failed.error().message(),
            "the request to topic questions: the responder answered with an error: "
            "invalid_argument: no bird is named");
  const auto thrown = broker.request<Answer>("questions", Question{"throws"});
  ASSERT_FALSE(thrown);
  EXPECT_THAT(std::string(thrown.error().message()), HasSubstr("the reply handler threw: it fell"));
  const auto undecodable = broker.request<Answer>("questions", "no JSON");
  ASSERT_FALSE(undecodable);
  EXPECT_THAT(std::string(undecodable.error().message()),
              HasSubstr("codec_failed: a body of topic questions cannot be decoded from JSON"));
  ASSERT_TRUE(lines_.wait_for(3));
  EXPECT_THAT(lines_.all(), ElementsAre("no bird is named at offset 0",
                                        "the reply handler threw: it fell at offset 1",
                                        HasSubstr("cannot be decoded from JSON")));
  EXPECT_TRUE(wait_for_counts(answering, [](auto counts) {
    return counts.answered == 3 && counts.answered_with_error == 3;
  }));
  ASSERT_TRUE(responder.unsubscribe(patience));
  EXPECT_EQ(committed(), 3) << "an answered request is done";
}

TEST_F(RequestReply, answers_with_an_error_at_once_if_its_reply_is_too_large) {
  // For the reply topic, and for the producer.
  for (const std::size_t bytes : {std::size_t{5'000}, std::size_t{3} << 20}) {
    Lines failures;
    Broker answering = requester(with_error_handler([&failures](const Failure& failure) {
      failures.add(std::string(failure.error.message()));
    }));
    const NewTopic small{
        .name = "small", .partitions = 1, .config = {{"max.message.bytes", "1000"}}};
    (void)answering.client().value().admin().create_topics({small});
    std::atomic<int> calls{0};
    auto responder = respond(answering, [&](const Question& question) -> Result<std::string> {
      ++calls;
      return std::string(question.bird == "small" ? 10 : bytes, 'x');
    });
    Broker broker = *connected(address(), with_reply_topic("small"));
    const auto refused = broker.request<std::string>("questions", Question{"large"}, patience);
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().is(Errc::handler_failed)) << refused.error().to_string();
    EXPECT_THAT(std::string(refused.error().message()),
                HasSubstr("the responder answered with an error: "));
    EXPECT_EQ(broker.request<std::string>("questions", Question{"small"}, patience), "xxxxxxxxxx");
    EXPECT_EQ(calls, 2) << "the handler was called again";
    ASSERT_TRUE(failures.wait_for(1));
    EXPECT_EQ(failures.all().size(), 1u);
    EXPECT_THAT(failures.all().front(), HasSubstr("the reply to a request of topic questions"));
    EXPECT_EQ(answering.request_counts().answered_with_error, 1u);
    ASSERT_TRUE(responder.unsubscribe(patience));
    EXPECT_THAT(responder.held(), testing::IsEmpty());
  }
  EXPECT_EQ(committed(), 4) << "a request that was answered with an error is done";
}

TEST_F(RequestReply, skips_an_expired_request) {
  Broker broker = requester();
  ASSERT_TRUE(broker.publish("questions", Message(R"({"bird":"old"})")
                                              .with_header("kafka_replyTopic", "replies")
                                              .with_header("dohle-deadline", "1000")));
  auto responder = respond(broker, [this](const Question& question) {
    lines_.add(question.bird);
    return count_birds(question);
  });
  ASSERT_TRUE(broker.request<Answer>("questions", Question{"new"}));
  EXPECT_THAT(lines_.all(), ElementsAre("new"));
  EXPECT_EQ(broker.request_counts().expired, 1u);
  ASSERT_TRUE(responder.unsubscribe(patience));
  EXPECT_EQ(committed(), 2);
}

// The first replies are refused; until one is stored, the request is not acknowledged.
TEST_F(RequestReply, acknowledges_a_request_after_its_reply) {
  std::atomic<int> refused{0};
  std::atomic<int> handled{0};
  Broker answering =
      requester(with_publish_middlewares({[&](PublishHandler next) -> PublishHandler {
        return [&refused, next](std::string_view topic, Message& message) -> Result<Delivery> {
          if (refused++ < 2) return fail(Error::client(Errc::connection_lost, "the reply is lost"));
          return next(topic, message);
        };
      }}));
  auto responder = respond(
      answering,
      [&](const Question& question) {
        ++handled;
        return count_birds(question);
      },
      with_subscribe_retry(2, 1ms));
  Broker broker = requester();
  ASSERT_TRUE(broker.request<Answer>("questions", Question{"crow"}));
  EXPECT_EQ(handled, 3);
  ASSERT_TRUE(responder.unsubscribe(patience));
  EXPECT_EQ(committed(), 1);
}

TEST_F(RequestReply, leaves_a_request_unacknowledged_whose_reply_is_never_stored) {
  Broker answering =
      requester(with_publish_middlewares({[](PublishHandler) -> PublishHandler {
                  return [](std::string_view, Message&) -> Result<Delivery> {
                    return fail(Error::client(Errc::connection_lost, "the reply is lost"));
                  };
                }}),
                with_error_handler([this](const Failure& failure) {
                  lines_.add(std::string(failure.error.message()));
                }));
  auto responder = respond(answering, count_birds, with_subscribe_retry(1, 1ms));
  Broker broker = requester();
  auto waiting = broker.request_future<Answer>("questions", Question{"crow"});
  ASSERT_TRUE(lines_.wait_for(1));
  EXPECT_THAT(lines_.all().front(), HasSubstr("the reply to a request of topic questions"));
  ASSERT_TRUE(responder.unsubscribe(patience));
  EXPECT_EQ(committed().value_or(0), 0);
  ASSERT_TRUE(broker.disconnect(patience));
  EXPECT_FALSE(waiting.get());
}

TEST_F(RequestReply, counts_replies_to_a_requester_that_has_ended) {
  Broker answering = requester();
  const auto responder = respond(answering, [this](const Question& question) {
    if (question.bird == "slow") gate_.pass();
    return count_birds(question);
  });
  const Opens opens{gate_};
  {
    Broker gone = requester();
    auto never_read = gone.request_future<Answer>("questions", Question{"slow"});
    ASSERT_TRUE(gate_.holds(1));
    ASSERT_TRUE(gone.disconnect(patience));
    const auto ended = never_read.get();
    ASSERT_FALSE(ended);
    EXPECT_TRUE(ended.error().is(Errc::cancelled));
  }
  Broker broker = requester();
  auto waiting = broker.request_future<Answer>("questions", Question{"crow"});
  gate_.open();
  EXPECT_TRUE(waiting.get());
  EXPECT_EQ(broker.request_counts().foreign_replies, 1u);
  // A responder counts an answer once it is stored, when its requester may have it already.
  EXPECT_TRUE(
      wait_for_counts(answering, [](const RequestCounts& counts) { return counts.answered == 2; }));
}

TEST_F(RequestReply, counts_and_reports_a_reply_to_a_deleted_topic) {
  Broker answering = requester(with_error_handler(
      [this](const Failure& failure) { lines_.add(std::string(failure.error.message())); }));
  auto responder = respond(answering, count_birds);
  ASSERT_TRUE(answering.publish(
      "questions", Message(R"({"bird":"crow"})").with_header("kafka_replyTopic", "gone")));
  EXPECT_TRUE(wait_for_counts(answering, [](auto counts) { return counts.undeliverable == 1; }));
  ASSERT_TRUE(lines_.wait_for(1));
  EXPECT_THAT(lines_.all().front(), HasSubstr("gone"));
  ASSERT_TRUE(responder.unsubscribe(patience));
  EXPECT_EQ(committed(), 1) << "no retry can help";
}

TEST_F(RequestReply, applies_the_failure_policy_to_a_message_without_a_reply_topic) {
  Broker answering = requester(with_error_handler([this](const Failure& failure) {
    EXPECT_EQ(failure.kind, Failure::Kind::decode);
    lines_.add(std::string(failure.error.message()));
  }));
  auto responder = respond(answering, count_birds, with_failure_policy(FailurePolicy::skip));
  ASSERT_TRUE(answering.publish("questions", Message("text")));
  ASSERT_TRUE(answering.publish("questions", Message("text")
                                                 .with_header("kafka_replyTopic", "replies")
                                                 .with_header("kafka_replyPartition", "0")));
  ASSERT_TRUE(lines_.wait_for(2));
  EXPECT_THAT(
      lines_.all(),
      ElementsAre(
          HasSubstr("the request at offset 0 of topic questions has no header kafka_replyTopic"),
          HasSubstr("the request at offset 1 of topic questions has a header kafka_replyPartition "
                    "of 1 bytes that is no big-endian 32-bit partition")));
}

TEST_F(RequestReply, keeps_many_requests_under_way_and_gives_each_its_own_reply) {
  Broker broker = requester();
  const auto responder = respond(broker, count_birds, with_concurrency(8), with_unordered());
  std::vector<std::future<Result<Answer>>> waiting;
  for (int i = 0; i < 500; ++i) {
    waiting.push_back(
        broker.request_future<Answer>("questions", Question{"bird " + std::to_string(i)}));
  }
  for (int i = 0; i < 500; ++i) {
    const auto answer = waiting[static_cast<std::size_t>(i)].get();
    ASSERT_TRUE(answer) << answer.error().to_string();
    EXPECT_EQ(answer->text, "bird " + std::to_string(i) + "s");
  }
  EXPECT_EQ(broker.request_counts().replies, 500u);
}

TEST_F(RequestReply, serves_two_requesters_on_one_partition) {
  Broker answering = requester();
  const auto responder = respond(answering, count_birds);
  Broker one = requester();
  Broker two = requester();
  std::vector<std::future<Result<Answer>>> ones, twos;
  for (int i = 0; i < 50; ++i) {
    const std::string number = std::to_string(i);
    ones.push_back(one.request_future<Answer>("questions", Question{"one " + number}));
    twos.push_back(two.request_future<Answer>("questions", Question{"two " + number}));
  }
  for (std::size_t i = 0; i < 50; ++i) {
    const auto of_one = ones[i].get(), of_two = twos[i].get();
    ASSERT_TRUE(of_one && of_two);
    EXPECT_EQ(of_one->text, "one " + std::to_string(i) + "s");
    EXPECT_EQ(of_two->text, "two " + std::to_string(i) + "s");
  }
  const auto all_seen = [](auto counts) { return counts.foreign_replies + counts.replies >= 99; };
  EXPECT_TRUE(wait_for_counts(one, all_seen) && wait_for_counts(two, all_seen));
  EXPECT_EQ(one.request_counts().late_replies, 0u);
}

/// Connections that the test can cut.
class Cuts {
 public:
  DialFunction function() {
    return [state = state_](const DialRequest& to) -> Result<DialedSocket> {
      const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(to.port);
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      if (::connect(made, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        ::close(made);
        return fail(Error::client(Errc::connection_failed, "refused"));
      }
      const std::lock_guard lock(state->mutex);
      state->copies.push_back(::dup(made));
      return DialedSocket(made);
    };
  }
  void cut() {
    const std::lock_guard lock(state_->mutex);
    for (const int each : state_->copies) {
      ::shutdown(each, SHUT_RDWR);
      ::close(each);
    }
    state_->copies.clear();
  }

 private:
  struct State {
    std::mutex mutex;
    std::vector<int> copies;
    ~State() {
      for (const int each : copies) ::close(each);
    }
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

TEST_F(RequestReply, survives_cut_connections_of_both_sides_with_requests_under_way) {
  Cuts requesters, responders;
  Broker answering = requester(kafka::with_dialer_function(responders.function()));
  const auto responder = respond(answering, [this](const Question& question) {
    if (question.bird == "slow") gate_.pass();
    return count_birds(question);
  });
  const Opens opens{gate_};
  Broker broker = requester(kafka::with_dialer_function(requesters.function()));
  for (int round = 0; round < 3; ++round) {
    auto slow = broker.request_future<Answer>("questions", Question{round == 0 ? "slow" : "crow"},
                                              RequestOptions{.timeout = patience});
    if (round == 0) {
      ASSERT_TRUE(gate_.holds(1));
    }
    requesters.cut();
    responders.cut();
    gate_.open();
    const auto answer = slow.get();
    ASSERT_TRUE(answer) << answer.error().to_string();
  }
}

TEST_F(RequestReply, finishes_the_running_request_when_its_responder_unsubscribes) {
  Broker answering = requester();
  auto responder = respond(answering, [this](const Question& question) {
    gate_.pass();
    return count_birds(question);
  });
  const Opens opens{gate_};
  Broker broker = requester();
  auto waiting = broker.request_future<Answer>("questions", Question{"crow"});
  ASSERT_TRUE(gate_.holds(1));
  auto ending = std::async(std::launch::async, [&] { return responder.unsubscribe(patience); });
  gate_.open();
  const auto ended = ending.get();
  ASSERT_TRUE(ended) << ended.error().to_string();
  EXPECT_TRUE(waiting.get());
  EXPECT_EQ(committed(), 1);
}

// The first responder is a process that is killed when its reply is stored, and before it can
// acknowledge the request: another one answers again, and the requester drops that reply.
TEST_F(RequestReply, gets_one_reply_of_two_if_a_responder_is_killed_before_it_acknowledges) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const char* const of_parent = std::getenv("REQUESTS_AT");
  const std::string at = of_parent != nullptr ? of_parent : address();
  ::setenv("REQUESTS_AT", at.c_str(), 1);
  Broker broker = std::move(*connected(at, with_reply_topic("replies")));
  std::future<Result<Answer>> waiting;
  if (of_parent == nullptr) {
    waiting = broker.request_future<Answer>("questions", Question{"crow"},
                                            RequestOptions{.timeout = patience});
    // The request is stored: the child finds it.
    ASSERT_TRUE(broker.flush(patience));
  }
  EXPECT_EXIT(
      {
        auto killed = connected(at, kafka::with_completion([](const SettledBatch& batch) {
                                  if (batch.topic == "replies") ::raise(SIGKILL);
                                }));
        auto responder = killed->reply<Question>("questions", count_birds, with_group_id("g"),
                                                 kafka::with_session_timeout(6s),
                                                 kafka::with_heartbeat_interval(500ms));
        std::promise<void> never;
        never.get_future().wait_for(patience);
      },
      testing::KilledBySignal(SIGKILL), "");
  ::unsetenv("REQUESTS_AT");
  const auto answer = waiting.get();
  ASSERT_TRUE(answer) << answer.error().to_string();
  const auto second = respond(broker, count_birds);
  EXPECT_TRUE(wait_for_counts(broker, [](auto counts) { return counts.late_replies == 1; }));
  EXPECT_EQ(broker.request_counts().replies, 1u);
}

TEST_F(RequestReply, carries_messages_with_headers_and_copies_the_key_to_the_reply) {
  Broker broker = requester();
  auto responder = broker.reply<Message>(
      "questions",
      [](const Message& request, const RawEvent& event) {
        return Message(*request.body() + " at " + std::to_string(event.offset().value))
            .with_header("of", "the reply");
      },
      with_group_id("g"));
  ASSERT_TRUE(responder) << responder.error().to_string();
  const auto reply =
      broker.request<Message>("questions", Message("bytes").with_key("k").with_header("a", "b"));
  ASSERT_TRUE(reply) << reply.error().to_string();
  EXPECT_EQ(reply->body(), "bytes at 0");
  EXPECT_EQ(reply->key(), "k");
  ASSERT_NE(reply->find_header("of"), nullptr);
  EXPECT_EQ(reply->find_header("of")->value, "the reply");
}

TEST_F(RequestReply, gives_a_forwarded_request_headers_of_its_own) {
  Broker broker = requester();
  ASSERT_TRUE(kafka::create_topic(broker, "inner", 1, 1));
  auto inner = broker.reply<std::string>(
      "inner",
      [](const std::string& text, const RawEvent& event) {
        std::size_t correlations = 0;
        for (const HeaderView& each : event.headers()) {
          correlations += each.name == "kafka_correlationId" ? 1 : 0;
        }
        return text + " " + std::to_string(correlations);
      },
      with_group_id("inner"));
  Broker forwarding = requester();
  auto outer = forwarding.reply<Message>(
      "questions",
      [&](const Message& request) { return forwarding.request<Message>("inner", request); },
      with_group_id("g"));
  ASSERT_TRUE(inner && outer);
  EXPECT_EQ(broker.request<std::string>("questions", "text"), "text 1");
  ASSERT_TRUE(kafka::create_topic(broker, "outer", 1, 1));
  auto by_options = forwarding.reply<Message>(
      "outer",
      [&](const Message& request) {
        return forwarding.request<Message>(
            "inner", Message(*request.body()),
            RequestOptions{.publish = {.headers = request.headers()}});
      },
      with_group_id("outer"));
  ASSERT_TRUE(by_options);
  EXPECT_EQ(broker.request<std::string>("outer", "text"), "text 1");
}

TEST_F(RequestReply, is_refused_on_the_thread_that_would_bring_its_reply) {
  Broker broker = requester();
  const auto responder = respond(broker, count_birds);
  std::promise<Result<Answer>> in_callback;
  std::promise<Result<void>> on_clients_thread;
  const auto sent =
      broker.request_async<Answer>("questions", Question{"crow"}, [&](Result<Answer>) {
        in_callback.set_value(broker.request<Answer>("questions", Question{"crow"}));
      });
  ASSERT_TRUE(sent) << sent.error().to_string();
  const auto inner = in_callback.get_future().get();
  ASSERT_FALSE(inner);
  EXPECT_TRUE(inner.error().is(Errc::would_deadlock));
  Broker fresh = requester();
  ASSERT_TRUE(fresh.publish("questions", Message("x"), with_publish_callback([&](const auto&) {
                              on_clients_thread.set_value(fresh.request_async<Answer>(
                                  "questions", Question{"crow"}, [](Result<Answer>) {}));
                            })));
  const auto refused = on_clients_thread.get_future().get();
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::would_deadlock));
}

TEST_F(RequestReply, returns_at_once_the_reason_why_a_request_cannot_be_sent) {
  Broker broker = requester();
  const auto no_topic = broker.request<Answer>("nowhere", Question{"crow"}, patience);
  ASSERT_FALSE(no_topic);
  EXPECT_TRUE(no_topic.error().is(Errc::no_such_topic)) << no_topic.error().to_string();
  Broker without = std::move(*connected(address()));
  const auto no_replies = without.request<Answer>("questions", Question{"crow"}, patience);
  ASSERT_FALSE(no_replies);
  EXPECT_TRUE(no_replies.error().is(Errc::no_such_topic));
  EXPECT_EQ(no_replies.error().message(),
            "to read replies from topic dohle.replies: it does not exist; create it, or let the "
            "first request do so by create_reply_topic");
  auto unconnected = kafka::new_broker(with_address(address()));
  ASSERT_TRUE(unconnected);
  const auto early = unconnected->request<Answer>("questions", Question{"crow"});
  ASSERT_FALSE(early);
  EXPECT_TRUE(early.error().is(Errc::not_connected));
}

TEST_F(RequestReply, refuses_options_that_a_request_sets_itself) {
  Broker broker = requester();
  const auto message_of = [&](auto&&... given) {
    const auto answer = broker.request<Answer>("questions", Question{"crow"}, given...);
    return answer ? std::string("none") : std::string(answer.error().message());
  };
  EXPECT_EQ(message_of(with_publish_async(true)),
            "publish.async is set; a request has its own way to wait and to encode");
  EXPECT_THAT(message_of(with_publish_callback([](const Result<Receipt>&) {})),
              HasSubstr("publish.callback is set"));
  EXPECT_THAT(message_of(with_publish_body_codec("json")), HasSubstr("publish.body_codec is set"));
  EXPECT_EQ(message_of(with_request_timeout(0ms)), "timeout is 0 ms; allowed are 1 to 86400000 ms");
  const auto responder = broker.reply<Question>("questions", count_birds, disable_auto_ack());
  ASSERT_FALSE(responder);
  EXPECT_THAT(std::string(responder.error().message()), HasSubstr("auto_ack is false"));
}

TEST_F(RequestReply, reads_another_partition_once_its_topic_is_created_again_with_fewer) {
  Broker broker = requester();
  const auto ask = [&](std::chrono::milliseconds timeout) {
    return broker.request<Answer>("questions", Question{"crow"}, timeout,
                                  with_reply_topic("shrinking"));
  };
  // One of its partitions is chosen by chance; the first one would stay.
  ASSERT_TRUE(kafka::create_topic(broker, "shrinking", 64, 1));
  {
    Broker answering = requester();
    auto responder = respond(answering, count_birds);
    ASSERT_TRUE(ask(patience));
    ASSERT_TRUE(responder.unsubscribe(patience));
  }
  ASSERT_TRUE(kafka::delete_topic(broker, {"shrinking"}));
  ASSERT_TRUE(kafka::create_topic(broker, "shrinking", 1, 1));
  // A responder that has never sent a reply there learns of the new topic at once.
  Broker answering = requester();
  const auto responder = respond(answering, count_birds);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  auto answer = ask(1s);
  while (!answer && std::chrono::steady_clock::now() < deadline) answer = ask(1s);
  EXPECT_TRUE(answer) << answer.error().to_string();
}

TEST_F(RequestReply, reads_at_most_sixteen_reply_topics) {
  Broker broker = requester();
  const auto responder = respond(broker, count_birds);
  for (int i = 0; i < 17; ++i) {
    const auto answer = broker.request<Answer>("questions", Question{"crow"},
                                               with_reply_topic("replies." + std::to_string(i)),
                                               with_reply_topic_creation());
    ASSERT_EQ(answer.has_value(), i < 16) << i;
    if (!answer) {
      EXPECT_TRUE(answer.error().is(Errc::limit_reached));
    }
  }
}

}  // namespace
}  // namespace dohle
