// How TCP connections are made: a user's functions, the local address, Happy Eyeballs, keep-alive.

#include "net/connect_settings.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <stdexcept>

#include "net/tcp.hpp"
#include "sides.hpp"

namespace dohle::net {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

SocketAddress numeric(const std::string& host, std::uint16_t port) {
  return addresses_of({host, port}, Lookup::numeric)->front();
}

int option_of(int socket, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(socket, level, name, &value, &size), 0);
  return value;
}

/// A blocking socket that is connected to `to`.
Descriptor connected_socket(const Endpoint& to) {
  SocketAddress address = numeric(to.host, to.port);
  Descriptor socket(::socket(address.family(), SOCK_STREAM, 0));
  EXPECT_EQ(::connect(socket.number(), address.get(), address.size), 0);
  return socket;
}

DialedSocket given_away(Descriptor socket) {
  // A descriptor of the test's own would be closed twice.
  return DialedSocket(::dup(socket.number()));
}

/// A listener whose queue is full, so that Linux answers no further attempt to connect.
class SilentListener {
 public:
  explicit SilentListener(const std::string& host, std::uint16_t port = 0) {
    SocketAddress address = numeric(host, port);
    listener_ = Descriptor(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(listener_.number(), address.get(), address.size), 0) << errno;
    EXPECT_EQ(::listen(listener_.number(), 0), 0);
    EXPECT_EQ(::getsockname(listener_.number(), address.get(), &address.size), 0);
    at_ = address.endpoint();
    waiting_ = connected_socket(at_);
  }
  [[nodiscard]] const Endpoint& at() const { return at_; }

 private:
  Descriptor listener_;
  Descriptor waiting_;
  Endpoint at_;
};

class ConnectSettingsTest : public testing::Test {
 protected:
  void dial_with(ConnectSettings settings, milliseconds timeout = 20s) {
    sides.on(sides.client_loop, [&] {
      sides.dialer = std::make_unique<frames::FramedDialer>(
          std::make_unique<TcpDialer>(sides.client_loop, std::nullopt, std::move(settings)),
          Sides::with_buffers(sides.client_loop));
    });
    sides.dial({.limits = {}, .connect_timeout = timeout});
  }
  [[nodiscard]] bool opens() {
    return sides.eventually([&] { return client.opened == 1 || !client.closed.empty(); }) &&
           client.opened == 1;
  }
  /// The error that ended the dial; empty if it did not fail.
  std::string failure() {
    if (!sides.eventually([&] { return client.opened == 1 || !client.closed.empty(); })) return {};
    return client.closed.empty() ? std::string() : client.closed.front().to_string();
  }

  /// Outlives the loops, as all objects of a user's functions have to.
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> asked;
  Sides sides{Kind::tcp};
  Side& client = sides.client;
};

TEST_F(ConnectSettingsTest, function_gets_the_host_and_its_socket_is_used) {
  sides.listen();
  const Endpoint real = sides.at;
  sides.at = {"server.example", 4242};
  dial_with({.dial_function = [&](const DialRequest& to) -> Result<DialedSocket> {
    EXPECT_FALSE(sides.client_loop.is_loop_thread());
    EXPECT_GT(to.timeout, 0ms);
    EXPECT_LE(to.timeout, 20s);
    asked.push_back(to.host + " " + std::to_string(to.port));
    return given_away(connected_socket(real));
  }});
  ASSERT_TRUE(opens());
  EXPECT_EQ(asked, std::vector<std::string>{"server.example 4242"});
  sides.client_sends([](Connection& connection) { connection.send(Chain(framed("through it"))); });
  EXPECT_TRUE(sides.eventually([&] { return sides.server.frames.size() == 1; }));
}

TEST_F(ConnectSettingsTest, function_that_blocks_does_not_stop_the_loop) {
  bool may_end = false;
  sides.at = {"server.example", 4242};
  dial_with({.dial_function = [&](const DialRequest&) -> Result<DialedSocket> {
              std::unique_lock lock(mutex);
              asked.emplace_back("began");
              changed.notify_all();
              changed.wait(lock, [&] { return may_end; });
              asked.emplace_back("ended");
              changed.notify_all();
              return fail(Error::client(Errc::connection_failed, "too late"));
            }},
            100ms);
  EXPECT_NE(failure().find("no answer within 100 ms"), std::string::npos) << failure();
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, patience, [&] { return asked.size() == 1; }));
  may_end = true;
  changed.notify_all();
  // The thread uses this test's members.
  ASSERT_TRUE(changed.wait_for(lock, patience, [&] { return asked.size() == 2; }));
}

TEST_F(ConnectSettingsTest, function_whose_socket_comes_too_late_has_it_closed) {
  bool may_end = false;
  sides.listen();
  const Endpoint real = sides.at;
  dial_with({.dial_function = [&](const DialRequest&) -> Result<DialedSocket> {
              std::unique_lock lock(mutex);
              changed.wait(lock, [&] { return may_end; });
              return given_away(connected_socket(real));
            }},
            100ms);
  EXPECT_NE(failure().find("no answer within 100 ms"), std::string::npos);
  {
    const std::lock_guard lock(mutex);
    may_end = true;
    changed.notify_all();
  }
  EXPECT_TRUE(sides.eventually([&] { return sides.server.closed.size() == 1; }));
  EXPECT_EQ(client.opened, 0);
}

TEST_F(ConnectSettingsTest, function_that_fails_is_named) {
  sides.at = {"server.example", 4242};
  dial_with({.dial_function = [](const DialRequest&) -> Result<DialedSocket> {
    return fail(Error::configuration("no proxy"));
  }});
  EXPECT_NE(failure().find("dial_function: no proxy"), std::string::npos) << failure();
  ASSERT_FALSE(client.closed.empty());
  EXPECT_TRUE(client.closed.front().is(Errc::connection_failed));
  EXPECT_TRUE(client.closed.front().is_retriable());
}

TEST_F(ConnectSettingsTest, function_that_throws_is_named) {
  sides.at = {"server.example", 4242};
  dial_with({.dial_function = [](const DialRequest&) -> Result<DialedSocket> {
    throw std::runtime_error("the proxy burns");
  }});
  EXPECT_NE(failure().find("dial_function threw an exception: the proxy burns"), std::string::npos)
      << failure();
}

TEST_F(ConnectSettingsTest, function_has_to_return_a_connected_stream_socket) {
  struct Case {
    std::function<int()> make;
    std::string_view expected;
  };
  const std::array cases{
      Case{[] { return ::socket(AF_INET, SOCK_STREAM, 0); }, "no connected stream socket"},
      Case{[] { return ::socket(AF_INET, SOCK_DGRAM, 0); }, "no connected stream socket"},
      Case{[] { return ::dup(STDERR_FILENO); }, "no socket"},
      Case{[] { return -1; }, "no socket"},
  };
  for (const Case& each : cases) {
    const auto answer = ask_user({.dial_function = [&](const DialRequest&) -> Result<DialedSocket> {
                                   return DialedSocket(each.make());
                                 }},
                                 {"server.example", 4242}, 1s);
    ASSERT_FALSE(answer);
    EXPECT_NE(answer.error().to_string().find(each.expected), std::string::npos)
        << answer.error().to_string();
  }
}

TEST_F(ConnectSettingsTest, function_may_return_a_socket_of_another_kind_of_stream) {
  std::array<int, 2> pair{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
  const Descriptor other(pair[1]);
  sides.at = {"server.example", 4242};
  dial_with({.dial_function = [&](const DialRequest&) -> Result<DialedSocket> {
    return DialedSocket(pair[0]);
  }});
  ASSERT_TRUE(opens());
  sides.client_sends([](Connection& connection) { connection.send(Chain(framed("hello"))); });
  std::string got(9, ' ');
  EXPECT_EQ(::recv(other.number(), got.data(), got.size(), MSG_WAITALL), 9);
  EXPECT_EQ(got, framed("hello").text());
}

TEST_F(ConnectSettingsTest, resolver_is_asked_for_every_host_and_its_addresses_are_tried_in_order) {
  sides.listen();
  const std::uint16_t port = sides.at.port;
  for (const std::string host : {"server.example", "10.255.0.1"}) {
    client.opened = 0;
    sides.at = {host, port};
    dial_with({.resolver = [&](const std::string& name) -> Result<std::vector<std::string>> {
      EXPECT_FALSE(sides.client_loop.is_loop_thread());
      asked.push_back(name);
      // Nothing listens at the first one.
      return std::vector<std::string>{"127.0.0.3", "127.0.0.1"};
    }});
    ASSERT_TRUE(opens()) << failure();
  }
  EXPECT_EQ(asked, (std::vector<std::string>{"server.example", "10.255.0.1"}));
}

TEST_F(ConnectSettingsTest, resolver_and_function_are_used_together) {
  sides.listen();
  const Endpoint real = sides.at;
  sides.at = {"server.example", 4242};
  dial_with({.dial_function = [&](const DialRequest& to) -> Result<DialedSocket> {
               asked.push_back(to.host);
               if (to.host == "192.0.2.1") {
                 return fail(Error::client(Errc::connection_failed, "not this one"));
               }
               return given_away(connected_socket(real));
             },
             .resolver = [](const std::string&) -> Result<std::vector<std::string>> {
               return std::vector<std::string>{"192.0.2.1", "192.0.2.2", "192.0.2.3"};
             }});
  ASSERT_TRUE(opens()) << failure();
  EXPECT_EQ(asked, (std::vector<std::string>{"192.0.2.1", "192.0.2.2"}));
}

TEST_F(ConnectSettingsTest, function_gets_a_share_of_the_time_for_each_address) {
  std::vector<milliseconds> shares;
  const auto answer =
      ask_user({.dial_function = [&](const DialRequest& to) -> Result<DialedSocket> {
                  shares.push_back(to.timeout);
                  return fail(Error::client(Errc::connection_failed, "no"));
                },
                .resolver = [](const std::string&) -> Result<std::vector<std::string>> {
                  return std::vector<std::string>{"192.0.2.1", "192.0.2.2"};
                }},
               {"server.example", 4242}, 20min);
  EXPECT_FALSE(answer);
  ASSERT_EQ(shares.size(), 2U);
  EXPECT_LE(shares[0], 10min);
  EXPECT_GT(shares[0], 9min);
  EXPECT_GT(shares[1], 10min) << "the first one left its share";
}

TEST_F(ConnectSettingsTest, an_address_that_answers_nothing_leaves_time_for_the_next) {
  sides.listen();
  const SilentListener first("127.0.0.3", sides.at.port);
  sides.at.host = "server.example";
  dial_with({.resolver = [](const std::string&) -> Result<std::vector<std::string>> {
              return std::vector<std::string>{"127.0.0.3", "127.0.0.1"};
            }},
            4s);
  EXPECT_TRUE(opens()) << failure();
}

TEST_F(ConnectSettingsTest, resolver_must_return_1_to_64_numeric_addresses) {
  struct Case {
    std::vector<std::string> found;
    std::string_view expected;
  };
  const std::array cases{
      Case{{}, "found no address"},
      Case{{"127.0.0.1", "localhost"}, "found \"localhost\", which is no numeric address"},
      Case{std::vector<std::string>(65, "127.0.0.1"), "found 65 addresses; allowed are 1 to 64"},
  };
  for (const Case& each : cases) {
    const auto answer =
        ask_user({.resolver = [&](const std::string&) -> Result<std::vector<std::string>> {
                   return each.found;
                 }},
                 {"server.example", 4242}, 1s);
    ASSERT_FALSE(answer);
    EXPECT_TRUE(answer.error().is(Errc::name_not_resolved));
    EXPECT_TRUE(answer.error().is_retriable());
    EXPECT_NE(answer.error().to_string().find(each.expected), std::string::npos)
        << answer.error().to_string();
  }
}

TEST_F(ConnectSettingsTest, resolver_may_say_that_a_host_does_not_exist) {
  const auto answer = ask_user(
      {.resolver = [](const std::string&) -> Result<std::vector<std::string>> {
        return fail(Error::client(Errc::name_not_resolved, "no such host").with_retriable(false));
      }},
      {"server.example", 4242}, 1s);
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().is(Errc::name_not_resolved));
  EXPECT_FALSE(answer.error().is_retriable());
}

TEST_F(ConnectSettingsTest, local_address_is_that_of_the_connection) {
  Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  SocketAddress address = numeric("127.0.0.1", 0);
  ASSERT_EQ(::bind(listener.number(), address.get(), address.size), 0);
  ASSERT_EQ(::listen(listener.number(), 1), 0);
  ASSERT_EQ(::getsockname(listener.number(), address.get(), &address.size), 0);
  sides.at = address.endpoint();
  dial_with({.local_address = numeric("127.0.0.2", 0)});
  ASSERT_TRUE(opens()) << failure();
  SocketAddress from;
  const Descriptor accepted(::accept(listener.number(), from.get(), &from.size));
  ASSERT_TRUE(accepted.is_open());
  EXPECT_EQ(from.endpoint().host, "127.0.0.2");
}

TEST_F(ConnectSettingsTest, local_address_excludes_addresses_of_the_other_family) {
  sides.at = {"127.0.0.1", 9};
  dial_with({.local_address = numeric("::1", 0)});
  EXPECT_NE(failure().find("127.0.0.1 has no address of the family of local_address ::1"),
            std::string::npos)
      << failure();
}

TEST_F(ConnectSettingsTest, local_address_that_the_machine_does_not_have_is_a_failed_attempt) {
  sides.listen();
  dial_with({.local_address = numeric("192.0.2.1", 0)});
  EXPECT_NE(failure().find("Cannot assign requested address"), std::string::npos) << failure();
}

class HappyEyeballs : public ConnectSettingsTest {
 protected:
  // The server at 127.0.0.1, and at ::1, under the same port, one that answers nothing.
  void SetUp() override {
    sides.listen();
    silent.emplace("::1", sides.at.port);
    sides.at.host = "server.example";
  }
  static ResolveFunction both() {
    return [](const std::string&) -> Result<std::vector<std::string>> {
      return std::vector<std::string>{"::1", "127.0.0.1"};
    };
  }
  std::optional<SilentListener> silent;
};

TEST_F(HappyEyeballs, use_the_other_address_family_when_the_first_is_silent) {
  dial_with({.resolver = both(), .fallback_delay = 50ms});
  EXPECT_TRUE(opens()) << failure();
}

TEST_F(HappyEyeballs, wait_for_the_fallback_delay) {
  dial_with({.resolver = both(), .fallback_delay = 10min}, 300ms);
  EXPECT_NE(failure().find("no answer within 300 ms"), std::string::npos) << failure();
}

TEST_F(HappyEyeballs, are_switched_off_without_a_delay) {
  dial_with({.resolver = both(), .fallback_delay = std::nullopt}, 500ms);
  EXPECT_NE(failure().find("no answer within 500 ms"), std::string::npos) << failure();
}

TEST_F(HappyEyeballs, do_not_wait_once_the_first_family_has_failed) {
  silent.reset();
  dial_with({.resolver = both(), .fallback_delay = 10min});
  EXPECT_TRUE(opens()) << failure();
}

TEST_F(HappyEyeballs, fail_when_both_families_have_failed) {
  silent.reset();
  sides.on(sides.server_loop, [&] { sides.listener.reset(); });
  dial_with({.resolver = both(), .fallback_delay = 10min});
  EXPECT_NE(failure().find("Connection refused"), std::string::npos) << failure();
}

class KeepAlive : public ConnectSettingsTest {
 protected:
  /// The same socket as that of the connection, by another descriptor.
  Descriptor connection_with(std::optional<milliseconds> keep_alive) {
    sides.listen();
    Descriptor same;
    dial_with({.dial_function =
                   [&, real = sides.at](const DialRequest&) {
                     same = connected_socket(real);
                     return Result<DialedSocket>(DialedSocket(::dup(same.number())));
                   },
               .keep_alive = keep_alive});
    EXPECT_TRUE(opens()) << failure();
    // The options are set before the event of the opening.
    sides.on(sides.client_loop, [] {});
    return same;
  }
};

TEST_F(KeepAlive, sends_probes_after_its_time_in_whole_seconds) {
  const Descriptor same = connection_with(6'001ms);
  EXPECT_EQ(option_of(same.number(), SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option_of(same.number(), IPPROTO_TCP, TCP_KEEPIDLE), 7);
  EXPECT_EQ(option_of(same.number(), IPPROTO_TCP, TCP_KEEPINTVL), 7);
}

TEST_F(KeepAlive, is_on_with_the_systems_times_if_absent) {
  const Descriptor plain(::socket(AF_INET, SOCK_STREAM, 0));
  const Descriptor same = connection_with({});
  EXPECT_EQ(option_of(same.number(), SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option_of(same.number(), IPPROTO_TCP, TCP_KEEPIDLE),
            option_of(plain.number(), IPPROTO_TCP, TCP_KEEPIDLE));
}

TEST_F(KeepAlive, is_off_if_negative) {
  const Descriptor same = connection_with(-1ms);
  EXPECT_EQ(option_of(same.number(), SOL_SOCKET, SO_KEEPALIVE), 0);
}

}  // namespace
}  // namespace dohle::net
