// How a Client and a Broker connect, seen at a node over TCP on the loopback device.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/kafka.hpp"
#include "dohle/node.hpp"
#include "integration/relay.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;
using std::chrono::system_clock;
using testing::Contains;
using testing::Each;
using testing::HasSubstr;

/// Where options are skipped (option_tests.py), tests are there to fail, and wait less.
const std::chrono::milliseconds patience = std::getenv("DOHLE_SKIP_OPTION") == nullptr ? 20s : 3s;

/// A socket that is connected to a port of 127.0.0.1; -1 on failure.
int connect_to(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return socket;
  }
  ::close(socket);
  return -1;
}

/// The requests to a user's functions, and copies of the sockets that they made. The functions
/// share its state, since nothing waits for them.
class Asked {
 public:
  /// Connects to the port of 127.0.0.1 that it is asked for, whatever the host.
  DialFunction function() {
    return [state = state_](const DialRequest& to) -> Result<DialedSocket> {
      const int socket = connect_to(to.port);
      if (socket < 0) return fail(Error::client(Errc::connection_failed, "refused"));
      const std::lock_guard lock(state->mutex);
      state->hosts.push_back(to.host);
      state->copies.push_back(::dup(socket));
      return DialedSocket(socket);
    };
  }
  /// Every host is this machine.
  ResolveFunction resolver() {
    return [state = state_](const std::string& host) -> Result<std::vector<std::string>> {
      const std::lock_guard lock(state->mutex);
      state->hosts.push_back(host);
      return std::vector<std::string>{"127.0.0.1"};
    };
  }
  std::vector<std::string> hosts() {
    const std::lock_guard lock(state_->mutex);
    return state_->hosts;
  }
  /// The values of an option of all sockets.
  std::vector<int> option(int level, int name) {
    const std::lock_guard lock(state_->mutex);
    std::vector<int> values;
    for (const int socket : state_->copies) {
      int value = -1;
      socklen_t size = sizeof value;
      EXPECT_EQ(::getsockopt(socket, level, name, &value, &size), 0);
      values.push_back(value);
    }
    return values;
  }

 private:
  struct State {
    ~State() {
      for (const int each : copies) ::close(each);
    }
    std::mutex mutex;
    std::vector<std::string> hosts;
    std::vector<int> copies;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

class NodeLog final : public Logger {
 public:
  [[nodiscard]] LogLevel level() const noexcept override { return LogLevel::debug; }
  void log(LogLevel, std::string_view, std::string_view line) noexcept override {
    const std::lock_guard lock(mutex_);
    text_.append(line).append("\n");
  }
  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  std::mutex mutex_;
  std::string text_;
};

class OnNode : public testing::Test {
 protected:
  OnNode() {
    auto node = Node::start({.data_dir = ":memory:", .listeners = {{.address = "127.0.0.1:0"}}});
    EXPECT_TRUE(node) << node.error().to_string();
    node_.emplace(std::move(*node));
    const std::string address(node_->address());
    port_ = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  }
  /// The node's port under another name of this machine.
  [[nodiscard]] std::string at(const std::string& host) const {
    return host + ":" + std::to_string(port_);
  }

  Asked asked_;
  std::optional<Node> node_;
  std::uint16_t port_ = 0;
};

class ConnectOptions : public OnNode {
 protected:
  Result<void> connect(ClientOptions options, std::chrono::milliseconds timeout = patience) {
    options.logger = silent_logger();
    auto made = Client::create(std::move(options));
    if (!made) return fail(made.error());
    client_.emplace(std::move(*made));
    return client_->connect(timeout);
  }
  std::string failure(ClientOptions options, std::chrono::milliseconds timeout = 300ms) {
    auto connected = connect(std::move(options), timeout);
    return connected ? std::string() : connected.error().to_string();
  }
  std::optional<Client> client_;
};

TEST_F(ConnectOptions, dial_function_returns_the_sockets_of_all_connections) {
  ASSERT_TRUE(
      connect({.bootstrap_servers = {at("server.example")}, .dial_function = asked_.function()}));
  EXPECT_THAT(asked_.hosts(), Contains("server.example"));
}

TEST_F(ConnectOptions, dial_function_that_hangs_blocks_neither_a_call_nor_the_end) {
  struct Gate {
    bool wait_for(int& count) {
      std::unique_lock lock(mutex);
      return changed.wait_for(lock, patience, [&] { return count > 0; });
    }
    std::mutex mutex;
    std::condition_variable changed;
    int begun = 0;
    int may_end = 0;
    int ended = 0;
  };
  const auto gate = std::make_shared<Gate>();
  const auto function = [gate](const DialRequest&) -> Result<DialedSocket> {
    std::unique_lock lock(gate->mutex);
    ++gate->begun;
    gate->changed.notify_all();
    gate->changed.wait(lock, [&] { return gate->may_end > 0; });
    ++gate->ended;
    gate->changed.notify_all();
    return fail(Error::client(Errc::connection_failed, "it is stuck"));
  };
  EXPECT_FALSE(
      connect({.bootstrap_servers = {at("stuck.example")}, .dial_function = function}, 1ms));
  ASSERT_TRUE(gate->wait_for(gate->begun));
  const auto late = client_->connect(10ms);
  ASSERT_FALSE(late);
  EXPECT_TRUE(late.error().is(Errc::timed_out)) << late.error().to_string();
  EXPECT_TRUE(client_->close());
  client_.reset();
  EXPECT_EQ(gate->ended, 0);
  {
    const std::lock_guard lock(gate->mutex);
    gate->may_end = 1;
    gate->changed.notify_all();
  }
  EXPECT_TRUE(gate->wait_for(gate->ended));
}

TEST_F(ConnectOptions, dial_function_returns_the_reason_of_its_failure) {
  EXPECT_THAT(failure({.bootstrap_servers = {at("server.example")},
                       .dial_function = [](const DialRequest&) -> Result<DialedSocket> {
                         return fail(Error::client(Errc::connection_failed, "the proxy is away"));
                       }}),
              HasSubstr("dial_function: the proxy is away"));
}

TEST_F(ConnectOptions, resolver_finds_the_addresses) {
  ASSERT_TRUE(
      connect({.bootstrap_servers = {at("server.example")}, .resolver = asked_.resolver()}));
  EXPECT_THAT(asked_.hosts(), Contains("server.example"));
}

TEST_F(ConnectOptions, keep_alive_is_set_on_every_socket) {
  ASSERT_TRUE(connect({.bootstrap_servers = {at("server.example")},
                       .dial_function = asked_.function(),
                       .keep_alive = 9s}));
  EXPECT_THAT(asked_.option(IPPROTO_TCP, TCP_KEEPIDLE), Contains(9));
}

TEST_F(ConnectOptions, deadline_that_has_passed_prevents_every_connection) {
  const std::string why = failure(
      {.bootstrap_servers = {at("127.0.0.1")}, .connect_deadline = system_clock::now() - 1s});
  EXPECT_THAT(why, HasSubstr("connect_deadline has passed"));
}

TEST_F(ConnectOptions, deadline_in_the_future_changes_nothing) {
  for (const auto deadline : {system_clock::now() + 1h, system_clock::time_point::max()}) {
    EXPECT_TRUE(connect({.bootstrap_servers = {at("127.0.0.1")}, .connect_deadline = deadline}));
  }
}

TEST_F(ConnectOptions, deadline_ends_an_attempt_under_way_logins_and_versions_included) {
  // It answers the request for versions with nothing that is an answer.
  const AnsweringServer silent("");
  const std::string why =
      failure({.bootstrap_servers = {"127.0.0.1:" + std::to_string(silent.port())},
               .connect_deadline = system_clock::now() + 200ms},
              3s);
  EXPECT_THAT(why, HasSubstr("connect_deadline"));
}

TEST_F(ConnectOptions, are_refused_with_name_and_range) {
  const std::string local = at("127.0.0.1");
  const auto refusal = [&](ClientOptions options) {
    auto made = Client::create(std::move(options));
    return made ? std::string() : std::string(made.error().message());
  };
  EXPECT_THAT(refusal({.local_address = "localhost"}),
              HasSubstr("local_address is \"localhost\"; allowed is a numeric"));
  EXPECT_THAT(refusal({.local_address = "127.0.0.2:80"}), HasSubstr("local_address is"));
  EXPECT_THAT(refusal({.fallback_delay = 0ms}),
              HasSubstr("fallback_delay is 0 ms; allowed are 1 to 600000 ms, or a negative"));
  EXPECT_THAT(refusal({.keep_alive = 32'767'001ms}),
              HasSubstr("keep_alive is 32767001 ms; allowed are 1 to 32767000 ms"));
  EXPECT_THAT(refusal({.dial_function = asked_.function(), .local_address = "127.0.0.2"}),
              HasSubstr("local_address is set beside dial_function"));
  EXPECT_THAT(refusal({.dial_function = asked_.function(), .fallback_delay = 1ms}),
              HasSubstr("fallback_delay is set beside dial_function"));
  const auto transport = node_->transport();
  EXPECT_THAT(refusal({.dial_function = asked_.function(), .transport = transport}),
              HasSubstr("dial_function is set beside transport"));
  EXPECT_THAT(refusal({.resolver = asked_.resolver(), .transport = transport}),
              HasSubstr("resolver is set beside transport"));
  EXPECT_THAT(refusal({.local_address = "127.0.0.2", .transport = transport}),
              HasSubstr("local_address is set beside transport"));
  EXPECT_THAT(refusal({.fallback_delay = -1ms, .transport = transport}),
              HasSubstr("fallback_delay is set beside transport"));
  EXPECT_THAT(refusal({.keep_alive = -1ms, .transport = transport}),
              HasSubstr("keep_alive is set beside transport"));
  EXPECT_EQ(refusal({.local_address = "::1", .fallback_delay = -1ms, .keep_alive = -1ms}), "");
}

class Dialer : public OnNode {
 protected:
  template <class... Given>
  std::string refusal(Given&&... given) {
    auto made = kafka::new_broker(std::forward<Given>(given)...);
    return made ? std::string() : std::string(made.error().message());
  }
  template <class... Given>
  Result<void> connect(Given&&... given) {
    auto made =
        kafka::new_broker(with_address(at("server.example")),
                          kafka::with_error_logger(silent_logger()), std::forward<Given>(given)...);
    if (!made) return fail(made.error());
    broker_.emplace(std::move(*made));
    return broker_->connect(patience);
  }
  std::optional<Broker> broker_;
};

TEST_F(Dialer, serves_topic_calls_publishes_and_subscriptions) {
  ASSERT_TRUE(connect(kafka::with_dialer({.client_id = "of-the-dialer",
                                          .dial_function = asked_.function(),
                                          .timeout = 5s,
                                          .deadline = system_clock::now() + 1h,
                                          .keep_alive = 11s}),
                      kafka::with_async(false)));
  EXPECT_EQ(broker_->options().client_id, "of-the-dialer");
  EXPECT_EQ(broker_->options().dialer_timeout, 5s);
  EXPECT_TRUE(kafka::create_topic(*broker_, "t", 1, 1));
  EXPECT_TRUE(broker_->publish("t", "hello"));
  std::promise<std::string> got;
  auto subscriber = broker_->subscribe<std::string>(
      "t", [&](const std::string& text) { got.set_value(text); },
      kafka::with_start_offset(StartOffset::first()));
  ASSERT_TRUE(subscriber);
  auto future = got.get_future();
  ASSERT_EQ(future.wait_for(patience), std::future_status::ready);
  EXPECT_EQ(future.get(), "hello");
  // Every connection went through the function: the bootstrap server's, and those of the lanes.
  const auto hosts = asked_.hosts();
  EXPECT_THAT(hosts, Contains("server.example"));
  EXPECT_THAT(hosts, Contains("127.0.0.1"));
  EXPECT_THAT(asked_.option(IPPROTO_TCP, TCP_KEEPIDLE), Each(11));
}

TEST_F(Dialer, resolver_is_asked_for_the_servers) {
  ASSERT_TRUE(connect(kafka::with_dialer({.resolver = asked_.resolver()})));
  EXPECT_THAT(asked_.hosts(), Contains("server.example"));
}

TEST_F(Dialer, deadline_ends_connecting) {
  auto made =
      kafka::new_broker(with_address(at("127.0.0.1")), kafka::with_error_logger(silent_logger()),
                        kafka::with_dialer_deadline(system_clock::now() - 1s));
  ASSERT_TRUE(made);
  const auto connected = made->connect(300ms);
  ASSERT_FALSE(connected);
  EXPECT_THAT(connected.error().to_string(), HasSubstr("connect_deadline has passed"));
}

TEST_F(Dialer, local_address_is_the_source_address_of_connections) {
  auto log = std::make_shared<NodeLog>();
  auto node = Node::start({.data_dir = ":memory:",
                           .listeners = {{.address = "127.0.0.1:0"}},
                           .auto_create_topics = true,
                           .logger = log});
  ASSERT_TRUE(node) << node.error().to_string();
  auto made = kafka::new_broker(with_address(std::string(node->address())),
                                kafka::with_dialer({.local_address = "127.0.0.2"}));
  ASSERT_TRUE(made);
  ASSERT_TRUE(made->connect(patience));
  ASSERT_TRUE(made->disconnect());
  EXPECT_THAT(log->text(), HasSubstr("127.0.0.2:"));
}

/// A listener at ::1 whose queue is full, so that Linux answers no further attempt to connect.
class SilentListener {
 public:
  explicit SilentListener(std::uint16_t port) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    address.sin6_addr = in6addr_loopback;
    const auto* at = reinterpret_cast<const sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_, at, sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 0), 0);
    EXPECT_EQ(::connect(waiting_, at, sizeof address), 0);
  }
  ~SilentListener() {
    ::close(listener_);
    ::close(waiting_);
  }
  SilentListener(const SilentListener&) = delete;
  SilentListener& operator=(const SilentListener&) = delete;

 private:
  const int listener_ = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int waiting_ = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

TEST_F(Dialer, fallback_delay_is_followed_by_the_other_family_unless_it_is_negative) {
  const SilentListener silent(port_);
  for (const auto delay : {-1ms, 50ms}) {
    auto made = kafka::new_broker(
        with_address(at("server.example")), kafka::with_error_logger(silent_logger()),
        kafka::with_dialer_fallback_delay(delay),
        kafka::with_dialer_resolver([](const std::string&) -> Result<std::vector<std::string>> {
          return std::vector<std::string>{"::1", "127.0.0.1"};
        }));
    ASSERT_TRUE(made) << made.error().to_string();
    EXPECT_EQ(made->connect(delay < 0ms ? 1s : patience).has_value(), delay > 0ms);
  }
}

TEST_F(Dialer, fields_are_applied_in_the_order_of_the_options) {
  kafka::BrokerOptions options;
  for (const BrokerOption& each :
       {BrokerOption(kafka::with_client_id("first")), kafka::with_dialer({.timeout = 3s}),
        BrokerOption(kafka::with_dialer_timeout(4s)),
        kafka::with_dialer({.client_id = "second"})}) {
    each(options);
  }
  EXPECT_EQ(options.client_id, "second");
  EXPECT_EQ(options.dialer_timeout, 4s);
  EXPECT_EQ(options.dialer_keep_alive, std::nullopt);
}

TEST_F(Dialer, dual_stack_switches_the_fallback_delay) {
  kafka::BrokerOptions options;
  kafka::with_dialer({.dual_stack = false})(options);
  EXPECT_EQ(options.dialer_fallback_delay, -1ms);
  kafka::with_dialer({.dual_stack = true})(options);
  EXPECT_EQ(options.dialer_fallback_delay, std::nullopt);
  kafka::with_dialer({.dual_stack = true, .fallback_delay = 7ms})(options);
  EXPECT_EQ(options.dialer_fallback_delay, 7ms);
  EXPECT_THAT(refusal(kafka::with_dialer({.dual_stack = false, .fallback_delay = 7ms})),
              HasSubstr("dialer.dual_stack is false and dialer.fallback_delay is 7 ms"));
}

TEST_F(Dialer, refuses_a_transactional_id_by_name) {
  EXPECT_THAT(refusal(kafka::with_dialer({.transactional_id = "t-1"})),
              HasSubstr("dialer.transactional_id is t-1; a broker has no transactions"));
}

TEST_F(Dialer, is_refused_in_the_same_way_as_a_member_and_within_a_reader_config) {
  const std::string expected = "dialer.transactional_id is t-1; a broker has no transactions";
  EXPECT_THAT(refusal([](kafka::BrokerOptions& o) { o.dialer.transactional_id = "t-1"; }),
              HasSubstr(expected));
  const kafka::Dialer dialer{.transactional_id = "t-1"};
  EXPECT_THAT(refusal(kafka::with_reader_config({.dialer = dialer})), HasSubstr(expected));
}

TEST_F(Dialer, as_a_member_sets_the_options_of_its_fields) {
  EXPECT_THAT(refusal([](kafka::BrokerOptions& o) { o.dialer.timeout = 0ms; }),
              HasSubstr("dialer_timeout is 0 ms"));
}

TEST_F(Dialer, takes_tls_and_the_login) {
  kafka::BrokerOptions options;
  const SaslOptions login{SaslMechanism::scram_sha_256, "alice", Secret("a secret")};
  const TlsOptions tls{.trust = {.ca_file = "/ca.pem"}};
  kafka::with_dialer({.tls = tls, .sasl_mechanism = login})(options);
  EXPECT_EQ(options.tls, tls);
  EXPECT_EQ(options.sasl, login);
}

TEST_F(Dialer, options_are_refused_by_their_names) {
  const auto embedded = with_address("embedded:memory");
  EXPECT_THAT(refusal(kafka::with_dialer_local_address("here")),
              HasSubstr("dialer_local_address is \"here\""));
  EXPECT_THAT(refusal(kafka::with_dialer_keep_alive(0ms)), HasSubstr("dialer_keep_alive is 0 ms"));
  EXPECT_THAT(refusal(kafka::with_dialer_function(asked_.function()),
                      kafka::with_dialer_fallback_delay(1ms)),
              HasSubstr("dialer_fallback_delay is set beside dialer_function"));
  EXPECT_THAT(refusal(embedded, kafka::with_dialer_function(asked_.function())),
              HasSubstr("dialer_function is set and the address is embedded:memory"));
  EXPECT_THAT(refusal(embedded, kafka::with_dialer_resolver(asked_.resolver())),
              HasSubstr("dialer_resolver is set and the address is embedded:memory"));
}

}  // namespace
}  // namespace dohle
