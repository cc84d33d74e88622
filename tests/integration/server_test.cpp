// dohle::Server on a node in the process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "dohle/kafka.hpp"
#include "dohle/server.hpp"
#include "options_fixture.hpp"
#include "server/server_runtime.hpp"

namespace dohle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

/// A Broker that keeps the node alive, and a Server's options to reach it.
class ServerOnNode : public testing::Test {
 protected:
  void SetUp() override {
    address_ = "embedded:memory/" +
               std::string(testing::UnitTest::GetInstance()->current_test_info()->name());
    keeper_ = connected(address_, kafka::with_async(false));
    ASSERT_TRUE(keeper_);
    for (const char* topic : {"a", "b"}) ASSERT_TRUE(kafka::create_topic(*keeper_, topic, 1, 1));
  }
  ServerOptions options() const {
    ServerOptions options;
    options.broker.addresses = {address_};
    options.broker.group_id = "g";
    return options;
  }
  void publish(const std::string& topic, const std::string& text) {
    ASSERT_TRUE(keeper_->publish(topic, text));
  }
  std::int64_t committed(const std::string& topic) {
    const auto offsets = keeper_->client().value().admin().group_offsets("g");
    if (!offsets) return -1;
    for (const GroupOffset& each : *offsets) {
      if (each.partition.topic == topic) return each.offset.value;
    }
    return -1;
  }
  bool becomes_ready(const Server& server) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!server.health().is_ready()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
  auto notes() {
    return [this](std::string text) { handled_.add(std::move(text)); };
  }

  Lines handled_;
  Gate gate_;
  std::string address_;
  std::optional<Broker> keeper_;
};

TEST_F(ServerOnNode, HandlesMessagesOfSubscribersRegisteredBeforeAndAfterStart) {
  Server server(options());
  ASSERT_TRUE(server.register_subscriber<std::string>("a", notes()));
  publish("a", "before");
  ASSERT_TRUE(server.start());
  ASSERT_TRUE(server.register_subscriber(
      "b", [&](RawEvent event) { handled_.add("b:" + std::string(*event.body())); }));
  publish("b", "after");
  ASSERT_TRUE(handled_.wait_for(2));
  EXPECT_THAT(handled_.all(), UnorderedElementsAre("before", "b:after"));
  ASSERT_TRUE(server.stop());
  EXPECT_EQ(committed("a"), 1);
  EXPECT_EQ(committed("b"), 1);
}

TEST_F(ServerOnNode, AcceptsRespondersAndRawSubscribersWithOptionsAsFunctions) {
  Server server(options());
  ASSERT_TRUE(server.register_responder<std::string>(
      "a", [](const std::string& request) { return request + "!"; }, with_concurrency(2)));
  ASSERT_TRUE(server.register_subscriber(
      "b", [&](RawEvent reply) { handled_.add(std::string(reply.body().value_or("none"))); },
      with_group_id("of raw messages")));
  ASSERT_TRUE(server.start());
  EXPECT_EQ(keeper_->request<std::string>("a", "text", patience, with_reply_topic("b")), "text!");
  ASSERT_TRUE(handled_.wait_for(1));
  EXPECT_THAT(handled_.all(), ElementsAre("text!"));
}

TEST_F(ServerOnNode, StopWaitsForItsHandlersAndCommitsTheMessagesThatTheyAcknowledged) {
  Server server(options());
  const Opens opens{gate_};
  ASSERT_TRUE(server.register_subscriber<std::string>("a", [&](std::string) { gate_.pass(); }));
  publish("a", "slow");
  ASSERT_TRUE(server.start());
  ASSERT_TRUE(gate_.holds(1));
  auto stopped = std::async(std::launch::async, [&] { return server.stop(patience); });
  while (server.health().state != ServerState::stopping) std::this_thread::yield();
  EXPECT_LE(committed("a"), 0);
  gate_.open();
  ASSERT_TRUE(stopped.get());
  EXPECT_EQ(committed("a"), 1);
  EXPECT_EQ(server.health().state, ServerState::idle);
}

TEST_F(ServerOnNode, StopEndsAtItsDeadlineAlthoughAHandlerHangs) {
  Server server(options());
  const Opens opens{gate_};
  ASSERT_TRUE(server.register_subscriber<std::string>("a", [&](std::string) { gate_.pass(); }));
  publish("a", "hangs");
  ASSERT_TRUE(server.start());
  ASSERT_TRUE(gate_.holds(1));
  const auto stopped = server.stop(50ms);
  ASSERT_FALSE(stopped);
  EXPECT_TRUE(stopped.error().is(Errc::timed_out)) << stopped.error().to_string();
  EXPECT_EQ(server.health().state, ServerState::idle);
  EXPECT_LE(committed("a"), 0);
}

TEST_F(ServerOnNode, StartsAgainAfterAStop) {
  Server server(options());
  ASSERT_TRUE(server.register_subscriber<std::string>("a", notes()));
  ASSERT_TRUE(server.start());
  publish("a", "first");
  ASSERT_TRUE(handled_.wait_for(1));
  ASSERT_TRUE(server.stop());
  publish("a", "second");
  ASSERT_TRUE(server.start());
  ASSERT_TRUE(handled_.wait_for(2));
  EXPECT_THAT(handled_.all(), ElementsAre("first", "second"));
}

TEST_F(ServerOnNode, WrapsAllHandlersInTheMiddlewaresOfItsBroker) {
  ServerOptions wrapped = options();
  wrapped.broker.subscribe_middlewares.push_back([&](SubscribeHandler next) {
    return [&, next = std::move(next)](RawEvent& event) {
      handled_.add("around " + std::string(event.topic()));
      return next(event);
    };
  });
  Server server(std::move(wrapped));
  ASSERT_TRUE(server.register_subscriber<std::string>("a", [](std::string) {}));
  ASSERT_TRUE(server.register_subscriber<std::string>("b", [](std::string) {}));
  ASSERT_TRUE(server.start());
  publish("a", "1");
  publish("b", "2");
  ASSERT_TRUE(handled_.wait_for(2));
  EXPECT_THAT(handled_.all(), UnorderedElementsAre("around a", "around b"));
}

TEST_F(ServerOnNode, StartReturnsTheErrorOfASubscriberAndLeavesTheServerIdle) {
  Server server(options());
  ASSERT_TRUE(server.register_subscriber<std::string>("a", [](std::string) {}));
  ASSERT_TRUE(server.register_subscriber<std::string>(
      "b", [](std::string) {}, SubscribeOptions{.concurrency = 0}));
  const auto started = server.start();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().to_string(), HasSubstr("subscriber of b"));
  EXPECT_THAT(started.error().to_string(), HasSubstr("concurrency"));
  EXPECT_EQ(server.health().state, ServerState::idle);
  EXPECT_EQ(server.broker(), nullptr);
}

TEST_F(ServerOnNode, RegisteringWhileItRunsReturnsTheErrorAndAddsNoSubscriber) {
  Server server(options());
  ASSERT_TRUE(server.start());
  const auto refused = server.register_subscriber<std::string>(
      "a", [](std::string) {}, SubscribeOptions{.concurrency = 0});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().to_string(), HasSubstr("concurrency"));
  ASSERT_TRUE(server.stop());
  EXPECT_TRUE(server.start());
}

TEST_F(ServerOnNode, SubscribesASubscriberThatIsRegisteredDuringAStopAndAStart) {
  server::ServerRuntime server(options());
  ASSERT_TRUE(server.start());
  bool is_first = true;
  ASSERT_TRUE(server.add("a", [&](Broker& broker, const std::string& name) {
    auto subscriber = broker.subscribe<std::string>(name, notes());
    if (std::exchange(is_first, false)) {
      EXPECT_TRUE(server.stop(patience));
      EXPECT_TRUE(server.start());
    }
    return subscriber;
  }));
  EXPECT_EQ(server.health().subscribers.size(), 1u);
  publish("a", "text");
  EXPECT_TRUE(handled_.wait_for(1));
  EXPECT_TRUE(server.stop(patience));
}

TEST_F(ServerOnNode, KeepsASubscriberThatIsRegisteredDuringAStopForTheNextStart) {
  Server server(options());
  ASSERT_TRUE(server.start());
  SubscribeOptions stops;
  stops.middlewares.push_back([&](SubscribeHandler next) {
    EXPECT_TRUE(server.stop(patience));
    return next;
  });
  ASSERT_TRUE(server.register_subscriber<std::string>("a", notes(), stops));
  EXPECT_EQ(server.health().state, ServerState::idle);
}

TEST(Server, RefusesASubscriberAboveMaxSubscribers) {
  Server server({});
  for (std::size_t i = 0; i < Server::max_subscribers; ++i) {
    ASSERT_TRUE(server.register_subscriber<std::string>("t", [](std::string) {}));
  }
  const auto refused = server.register_subscriber<std::string>("t", [](std::string) {});
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::limit_reached));
}

TEST(Server, RefusesImpossibleTimeoutsAtItsStart) {
  EXPECT_THAT(Server({.start_timeout = 0ms}).start().error().to_string(),
              HasSubstr("start_timeout is 0 ms; allowed are 1 to 86400000 ms"));
  EXPECT_THAT(Server({.stop_timeout = -1ms}).start().error().to_string(),
              HasSubstr("stop_timeout is -1 ms"));
}

TEST(Server, StartReturnsTheErrorOfTheConnection) {
  ServerOptions nowhere;
  nowhere.broker.addresses = {"127.0.0.1:1"};
  nowhere.start_timeout = 200ms;
  Server server(std::move(nowhere));
  const auto started = server.start();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().to_string(), HasSubstr("127.0.0.1:1"));
  EXPECT_TRUE(server.stop());
}

TEST_F(ServerOnNode, IsNotStartedTwice) {
  Server server(options());
  ASSERT_TRUE(server.start());
  const auto again = server.start();
  ASSERT_FALSE(again);
  EXPECT_TRUE(again.error().is(Errc::invalid_argument));
  EXPECT_THAT(again.error().to_string(), HasSubstr("running"));
}

TEST_F(ServerOnNode, RunReturnsAfterAStopOnAnotherThread) {
  Server server(options());
  auto ended = std::async(std::launch::async, [&] { return server.run(); });
  while (server.health().state != ServerState::running) std::this_thread::yield();
  EXPECT_TRUE(server.stop());
  EXPECT_TRUE(ended.get());
}

TEST_F(ServerOnNode, RunReturnsAfterAStopThatItsTokenRequestsAndCommitsHandledMessages) {
  std::stop_source source;
  Server server(options());
  ASSERT_TRUE(server.register_subscriber<std::string>(
      "a", [&](std::string) { EXPECT_TRUE(source.request_stop()); }));
  publish("a", "the last one");
  EXPECT_TRUE(server.run(source.get_token()));
  EXPECT_EQ(server.health().state, ServerState::idle);
  EXPECT_EQ(committed("a"), 1);
  EXPECT_TRUE(server.run(source.get_token())) << "after the stop it does not start";
  EXPECT_EQ(server.health().state, ServerState::idle);
}

TEST_F(ServerOnNode, RunReturnsAfterAStopInAHandlerAndCommitsItsMessage) {
  Server server(options());
  ASSERT_TRUE(server.register_subscriber<std::string>(
      "a", [&](std::string) { EXPECT_TRUE(server.stop()); }));
  publish("a", "the last one");
  EXPECT_TRUE(server.run());
  EXPECT_EQ(committed("a"), 1);
}

TEST_F(ServerOnNode, RunReturnsAfterAStopInTheErrorHandlerAndCommitsHandledMessages) {
  Server* to_stop = nullptr;
  ServerState after_stop = ServerState::idle;
  ServerOptions failing = options();
  failing.broker.failure_policy = FailurePolicy::skip;
  failing.broker.error_handler = [&](const Failure&) {
    EXPECT_TRUE(to_stop->stop());
    after_stop = to_stop->health().state;
  };
  Server server(std::move(failing));
  to_stop = &server;
  ASSERT_TRUE(server.register_subscriber<std::string>(
      "a",
      [](std::string) -> Result<void> {
        return fail(Error::client(Errc::handler_failed, "no paper"));
      },
      SubscribeOptions{.max_retries = 0}));
  publish("a", "print me");
  EXPECT_TRUE(server.run());
  EXPECT_NE(after_stop, ServerState::idle) << "the error handler still ran";
  EXPECT_EQ(committed("a"), 1);
}

TEST_F(ServerOnNode, RunReturnsAfterAStopInTheCallbackOfAPublish) {
  Server server(options());
  auto ended = std::async(std::launch::async, [&] { return server.run(); });
  while (server.health().state != ServerState::running) std::this_thread::yield();
  std::promise<ServerState> after_stop;
  const auto sent =
      server.broker()->publish("a", "text", with_publish_async([&](const Result<Receipt>&) {
                                 EXPECT_TRUE(server.stop());
                                 after_stop.set_value(server.health().state);
                               }));
  ASSERT_TRUE(sent) << sent.error().to_string();
  EXPECT_NE(after_stop.get_future().get(), ServerState::idle) << "the callback still ran";
  EXPECT_TRUE(ended.get());
}

TEST_F(ServerOnNode, RunReturnsAfterAStopInTheCallbackOfARequest) {
  Server server(options());
  ASSERT_TRUE(
      server.register_responder<std::string>("a", [](const std::string& text) { return text; }));
  auto ended = std::async(std::launch::async, [&] { return server.run(); });
  while (server.health().state != ServerState::running) std::this_thread::yield();
  std::promise<void> replied;
  const auto asked = server.broker()->request_async<std::string>("a", "text",
                                                                 [&](const Result<std::string>&) {
                                                                   EXPECT_TRUE(server.stop());
                                                                   replied.set_value();
                                                                 },
                                                                 {.reply_topic = "b"});
  ASSERT_TRUE(asked) << asked.error().to_string();
  replied.get_future().get();
  EXPECT_TRUE(ended.get());
}

TEST_F(ServerOnNode, StopEndsRequestsWhoseCallbacksStopItToo) {
  Server server(options());
  ASSERT_TRUE(server.start());
  std::promise<bool> told;
  const auto asked = server.broker()->request_async<std::string>(
      "a", "nobody answers",
      [&](const Result<std::string>& reply) {
        told.set_value(!reply && server.stop().has_value());
      },
      {.timeout = 1h, .reply_topic = "b"});
  ASSERT_TRUE(asked) << asked.error().to_string();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(server.stop(patience));
  EXPECT_LT(std::chrono::steady_clock::now() - start, patience);
  EXPECT_TRUE(told.get_future().get());
}

TEST_F(ServerOnNode, RunReturnsTheFailureOfASubscriberThatEndsByItself) {
  ServerOptions failing = options();
  failing.broker.failure_policy = FailurePolicy::stop;
  Server server(std::move(failing));
  ASSERT_TRUE(server.register_subscriber<std::string>(
      "a",
      [](std::string) -> Result<void> {
        return fail(Error::client(Errc::handler_failed, "no paper"));
      },
      SubscribeOptions{.max_retries = 0}));
  publish("a", "print me");
  const auto ended = server.run();
  ASSERT_FALSE(ended);
  EXPECT_THAT(ended.error().to_string(), HasSubstr("subscriber of a"));
  EXPECT_THAT(ended.error().to_string(), HasSubstr("no paper"));
  EXPECT_LE(committed("a"), 0);
}

TEST_F(ServerOnNode, HealthNamesTheReadySubscribersAndTheirLag) {
  Server server(options());
  const Opens opens{gate_};
  ASSERT_TRUE(server.register_subscriber<std::string>("a", [&](std::string) { gate_.pass(); }));
  EXPECT_EQ(server.health().to_json(),
            R"({"state":"idle","alive":true,"ready":false,"subscribers":[]})");
  ASSERT_TRUE(server.start());
  ASSERT_TRUE(becomes_ready(server));
  EXPECT_EQ(server.health().to_json(),
            R"({"state":"running","alive":true,"ready":true,"subscribers":[{"topic":"a",)"
            R"("group_id":"g","ready":true,"ended":false,"held":0,"lag":0}]})");
  ASSERT_TRUE(server.register_subscriber<std::string>("missing", [](std::string) {}));
  while (server.health().subscribers.at(1).reason.find("missing") == std::string::npos) {
    std::this_thread::yield();
  }
  EXPECT_FALSE(server.health().is_ready());
  EXPECT_TRUE(server.health().is_alive());
}

TEST_F(ServerOnNode, GivesOutItsBrokerForPublishing) {
  Server server(options());
  EXPECT_EQ(server.broker(), nullptr);
  ASSERT_TRUE(server.start());
  const auto broker = server.broker();
  ASSERT_NE(broker, nullptr);
  EXPECT_TRUE(broker->publish("a", "text").value().get());
  ASSERT_TRUE(server.stop());
  EXPECT_TRUE(broker->publish("a", "text").error().is(Errc::closed));
}

/// A page that only counts.
class CountingPage final : public HealthPage {
 public:
  Result<std::string> start(ShownServer server) override {
    ++starts;
    states.push_back(server.health().state);
    metrics = std::move(server.metrics);
    if (fails) return fail(Error::client(Errc::io_error, "no port"));
    return "test://health";
  }
  void stop() override { ++stops; }

  int starts = 0;
  int stops = 0;
  bool fails = false;
  std::vector<ServerState> states;
  std::function<std::string()> metrics;
};

TEST_F(ServerOnNode, ShowsItsHealthPageWhileItRuns) {
  const auto page = std::make_shared<CountingPage>();
  ServerOptions shown = options();
  shown.health_page = page;
  Server server(std::move(shown));
  EXPECT_EQ(server.endpoint(), "");
  ASSERT_TRUE(server.start());
  EXPECT_EQ(server.endpoint(), "test://health");
  EXPECT_THAT(page->states, ElementsAre(ServerState::starting));
  ASSERT_TRUE(server.stop());
  EXPECT_EQ(server.endpoint(), "");
  EXPECT_EQ(page->stops, 1);
  page->fails = true;
  const auto failed = server.start();
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().to_string(), HasSubstr("no port"));
  EXPECT_EQ(page->stops, 1);
}

TEST_F(ServerOnNode, ShowsTheCountsOfItsBrokerOnItsHealthPage) {
  const auto page = std::make_shared<CountingPage>();
  ServerOptions shown = options();
  shown.health_page = page;
  Server server(std::move(shown));
  ASSERT_TRUE(server.start());
  ASSERT_TRUE(page->metrics);
  EXPECT_THAT(page->metrics(), HasSubstr("\ndohle_refused_publishes_total 0\n"));
  EXPECT_FALSE(server.broker()->publish("missing", "text"));
  EXPECT_THAT(page->metrics(), HasSubstr("\ndohle_refused_publishes_total 1\n"));
  ASSERT_TRUE(server.stop());
  EXPECT_EQ(page->metrics(), "") << "its Broker is gone";
}

TEST_F(ServerOnNode, ShowsNoCountsOnItsHealthPageIfItsBrokerHasNone) {
  const auto page = std::make_shared<CountingPage>();
  ServerOptions shown = options();
  shown.health_page = page;
  shown.broker.metrics = false;
  Server server(std::move(shown));
  ASSERT_TRUE(server.start());
  EXPECT_FALSE(page->metrics);
}

/// Runs a Server, sends `count` of SIGTERM to this process once it is running, and exits with 0 if
/// it ended well.
[[noreturn]] void run_until_signals(int count) {
  ServerOptions options;
  options.broker.addresses = {"embedded:memory"};
  options.signals = {SIGTERM};
  Server server(std::move(options));
  std::thread sender([&] {
    while (server.health().state != ServerState::running) std::this_thread::yield();
    for (int i = 0; i < count; ++i) ::kill(::getpid(), SIGTERM);
  });
  const auto ended = server.run();
  sender.join();
  ::_exit(ended ? 0 : 1);
}

/// In a process of its own, which has no other threads.
class SignalledServer : public testing::Test {
 protected:
  SignalledServer() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(SignalledServer, RunReturnsAfterASignal) {
  EXPECT_EXIT(run_until_signals(1), testing::ExitedWithCode(0), "");
}

TEST_F(SignalledServer, IgnoresTheSecondSignalOfGnuTimeout) {
  EXPECT_EXIT(run_until_signals(2), testing::ExitedWithCode(0), "");
}

/// The port of a socket that never answers its clients.
class SilentPort {
 public:
  SilentPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 100), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~SilentPort() { ::close(socket_); }
  SilentPort(const SilentPort&) = delete;
  SilentPort& operator=(const SilentPort&) = delete;
  const std::string& address() const { return address_; }

 private:
  const int socket_;
  std::string address_;
};

TEST(Server, ReturnsFromItsStartAfterASignal) {
  const SilentPort silent;
  ServerOptions options;
  options.broker.addresses = {silent.address()};
  options.start_timeout = 500ms;
  options.signals = {SIGUSR1};
  Server server(std::move(options));
  auto ended = std::async(std::launch::async, [&] { return server.run(); });
  while (server.health().state != ServerState::starting) std::this_thread::yield();
  ::kill(::getpid(), SIGUSR1);
  // The connection has failed meanwhile, which is the error of run.
  EXPECT_FALSE(ended.get());
  EXPECT_EQ(server.health().state, ServerState::idle);
}

/// Starts a Server that cannot connect, and sends SIGTERM to this process until it ends, or for as
/// long as a test waits.
[[noreturn]] void start_until_a_signal_ends_all(const std::string& address) {
  ServerOptions options;
  options.broker.addresses = {address};
  options.start_timeout = 5min;
  options.signals = {SIGTERM};
  Server server(std::move(options));
  std::thread sender([&] {
    while (server.health().state != ServerState::starting) std::this_thread::yield();
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < deadline) {
      ::kill(::getpid(), SIGTERM);
      std::this_thread::yield();
    }
    ::_exit(1);
  });
  (void)server.run();
  ::_exit(2);
}

TEST_F(SignalledServer, LeavesSignalsTheirOwnEffectWhileItStarts) {
  const SilentPort silent;
  EXPECT_EXIT(start_until_a_signal_ends_all(silent.address()), testing::KilledBySignal(SIGTERM),
              "");
}

}  // namespace
}  // namespace dohle
