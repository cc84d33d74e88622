// The security matrix on nodes, and clients at servers whose TLS is too old.
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dohle/admin.hpp"
#include "dohle/client.hpp"
#include "dohle/node.hpp"
#include "dohle/producer.hpp"
#include "relay.hpp"
#include "security_matrix.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;

std::uint16_t port_in(const std::string& address) {
  return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

/// A node for each set of mechanisms, since a node offers the same at all listeners.
class Nodes final : public MatrixServer {
 public:
  explicit Nodes(const MatrixCertificates& made) : made_(made) {
    std::map<std::vector<SaslMechanism>, std::vector<const MatrixListener*>> by_mechanisms;
    const auto& all = matrix_listeners()[1].mechanisms;
    for (const MatrixListener& each : matrix_listeners()) {
      by_mechanisms[each.mechanisms.empty() ? all : each.mechanisms].push_back(&each);
    }
    for (const auto& [mechanisms, listeners] : by_mechanisms) start(mechanisms, listeners);
  }
  [[nodiscard]] std::uint16_t port(std::string_view listener) const override {
    return ports_.at(std::string(listener)).own;
  }
  [[nodiscard]] std::uint16_t open_port(std::string_view listener) const override {
    return ports_.at(std::string(listener)).open;
  }

 private:
  struct Ports {
    std::uint16_t own = 0, open = 0;
  };

  NodeListener options_of(const MatrixListener& listener) const {
    NodeListener made{.name = std::string(listener.name),
                      .address = "127.0.0.1:0",
                      .advertised = "localhost:0",
                      .protocol = listener.protocol};
    if (!has_tls(listener)) return made;
    const net::Made& own = listener.is_expired ? made_.expired_server : made_.server;
    made.tls = TlsServerOptions{
        .identity = {.certificate_pem = own.certificate_pem(), .key_pem = Secret(own.key_pem())}};
    if (listener.has_only_tls_1_3) made.tls->parameters.min_version = TlsVersion::tls_1_3;
    if (listener.requires_certificates) {
      made.tls->client_certificates = ClientCertificates::required;
      made.tls->trust.ca_pem = made_.authority.certificate_pem();
    }
    return made;
  }

  void start(const std::vector<SaslMechanism>& mechanisms,
             const std::vector<const MatrixListener*>& listeners) {
    NodeOptions options;
    options.logger = silent_logger();
    options.listeners = {{.name = "checked", .address = "127.0.0.1:0"}};
    for (const MatrixListener* each : listeners) options.listeners.push_back(options_of(*each));
    options.sasl.mechanisms = mechanisms;
    const NodeUser user{std::string(matrix_user), Secret(matrix_password)};
    const std::string file = users_of(user, mechanisms);
    if (std::ranges::find(mechanisms, SaslMechanism::plain) != mechanisms.end()) {
      options.sasl.plain_users = {user};
    }
    options.sasl.scram_user_file = file;
    auto started = Node::start(std::move(options));
    std::filesystem::remove(file);
    ASSERT_TRUE(started) << started.error().to_string();
    const std::uint16_t open = port_in(started->address());
    for (const NodeListener& each : started->listeners()) {
      ports_[each.name] = {port_in(each.address), open};
    }
    nodes_.push_back(*std::move(started));
  }

  static std::string users_of(const NodeUser& user, const std::vector<SaslMechanism>& mechanisms) {
    std::string file = (std::filesystem::temp_directory_path() / "dohle-users-XXXXXX").string();
    const int made = ::mkstemp(file.data());
    EXPECT_GE(made, 0);
    ::close(made);
    std::ofstream to(file);
    for (const SaslMechanism each : mechanisms) {
      if (each != SaslMechanism::plain) to << hash_user(user, {.mechanism = each}).value() << '\n';
    }
    return file;
  }

  const MatrixCertificates& made_;
  std::vector<Node> nodes_;
  std::map<std::string, Ports> ports_;
};

// --- the host of each connection

/// Bootstraps at 127.0.0.1, for which the certificate is, and produces, for which it dials the
/// advertised address.
Result<Receipt> produce_at_node_that_advertises(const std::string& host) {
  const net::Made authority = net::make({.name = "authority", .is_authority = true});
  const net::Made own =
      net::make({.name = "node", .alternatives = "IP:127.0.0.1", .issuer = &authority});
  NodeOptions options;
  options.logger = silent_logger();
  options.listeners = {
      {.name = "tls",
       .address = "127.0.0.1:0",
       .advertised = host + ":0",
       .protocol = SecurityProtocol::ssl,
       .tls = TlsServerOptions{.identity = {.certificate_pem = own.certificate_pem(),
                                            .key_pem = Secret(own.key_pem())}}}};
  const Node node = Node::start(std::move(options)).value();
  ClientOptions client_options;
  client_options.bootstrap_servers = {"127.0.0.1:" + std::to_string(port_in(node.address()))};
  client_options.logger = silent_logger();
  client_options.tls = TlsOptions{.trust = {.ca_pem = authority.certificate_pem()}};
  auto client = Client::create(client_options).value();
  const auto connected = client.connect(10s);
  EXPECT_TRUE(connected) << connected.error().to_string();
  auto producer = client.producer({.max_block = 10s, .delivery_timeout = 10s}).value();
  auto sent = producer.send("orders", Record{.value = as_bytes("text")});
  if (!sent) return fail(sent.error());
  return sent->get();
}

TEST(AdvertisedHosts, AreVerifiedAtTheConnectionsToThem) {
  const auto begin = std::chrono::steady_clock::now();
  const auto refused = produce_at_node_that_advertises("localhost");
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::handshake_failed)) << refused.error().to_string();
  EXPECT_FALSE(refused.error().is_retriable());
  EXPECT_THAT(std::string(refused.error().message()),
              testing::HasSubstr("the server's certificate is not for 'localhost'; it is for "
                                 "127.0.0.1"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 8s) << "it waited for a timeout of 10 s";
  const auto stored = produce_at_node_that_advertises("127.0.0.1");
  EXPECT_TRUE(stored) << stored.error().to_string();
}

// --- users, and clients without a name

/// The answers to a client that lists users, creates one and deletes one: 0, or the broker's code.
std::vector<int> answers_about_users(Client client) {
  const auto code_of = [](const auto& result) {
    EXPECT_TRUE(result || result.error().category() == ErrorCategory::broker)
        << result.error().to_string();
    return result ? 0 : static_cast<int>(result.error().code());
  };
  Admin admin = client.admin();
  const auto listed = admin.list_scram_users();
  const auto set = admin.set_scram_users({{.name = "bob", .password = Secret("a password")}});
  const auto deleted = admin.delete_scram_users({{.name = "bob"}});
  EXPECT_TRUE(set) << set.error().to_string();
  EXPECT_TRUE(deleted) << deleted.error().to_string();
  if (!set || !deleted) return {};
  return {code_of(listed), code_of(set->at(0).result), code_of(deleted->at(0).result)};
}

TEST(UsersOfANodeThatAsksForCertificates, AreNeitherShownToNorChangedByClientsWithoutACertificate) {
  const net::Made authority = net::make({.name = "authority", .is_authority = true});
  const auto identity_of = [&](const net::Made& made) {
    return TlsIdentity{.certificate_pem = made.certificate_pem(),
                       .key_pem = Secret(made.key_pem())};
  };
  const TlsIdentity own = identity_of(net::make({.issuer = &authority}));
  const TlsIdentity of_alice = identity_of(net::make({.name = "alice", .issuer = &authority}));
  constexpr int cluster_authorization_failed = 31;
  for (const ClientCertificates asks :
       {ClientCertificates::none, ClientCertificates::wanted, ClientCertificates::required}) {
    NodeListener tls{.name = "tls",
                     .address = "127.0.0.1:0",
                     .protocol = SecurityProtocol::ssl,
                     .tls = TlsServerOptions{.identity = own, .client_certificates = asks}};
    const bool is_asked = asks != ClientCertificates::none;
    if (is_asked) tls.tls->trust.ca_pem = authority.certificate_pem();
    NodeOptions options;
    options.logger = silent_logger();
    options.listeners = {{.name = "open", .address = "127.0.0.1:0"}, std::move(tls)};
    const Node node = Node::start(std::move(options)).value();
    const auto client_at = [&](std::size_t listener, std::optional<TlsOptions> with) {
      ClientOptions client;
      client.bootstrap_servers = {node.listeners()[listener].address};
      client.logger = silent_logger();
      client.tls = std::move(with);
      return Client::create(std::move(client)).value();
    };
    const TlsOptions trusting{.trust = {.ca_pem = authority.certificate_pem()}};
    TlsOptions named = trusting;
    named.identity = of_alice;
    const int anonymous = is_asked ? cluster_authorization_failed : 0;
    const std::vector<int> allowed(3, 0), without_name(3, anonymous);
    EXPECT_EQ(answers_about_users(client_at(0, {})), without_name);
    if (asks != ClientCertificates::required) {
      EXPECT_EQ(answers_about_users(client_at(1, trusting)), without_name);
    }
    EXPECT_EQ(answers_about_users(client_at(1, named)), allowed);
  }
}

// --- servers whose newest TLS is too old

/// The answer of such a server to the first bytes of any client.
std::string old_server_hello(std::uint16_t version) {
  const std::string of_version = {static_cast<char>(version >> 8), static_cast<char>(version)};
  const std::string body = of_version + std::string(32, 's') + std::string("\0\xc0\x13\0", 4);
  const std::string hello = std::string("\x02\0\0", 3) + static_cast<char>(body.size()) + body;
  return "\x16" + of_version + std::string(1, '\0') + static_cast<char>(hello.size()) + hello;
}

class OldServers
    : public testing::TestWithParam<std::tuple<std::uint16_t, std::optional<SaslMechanism>>> {};

TEST_P(OldServers, AreRefusedWithoutASecondAttempt) {
  const auto [version, mechanism] = GetParam();
  const AnsweringServer server(old_server_hello(version));
  ClientOptions options;
  options.bootstrap_servers = {"localhost:" + std::to_string(server.port())};
  options.logger = silent_logger();
  options.tls.emplace();
  if (mechanism) options.sasl = {*mechanism, std::string(matrix_user), Secret(matrix_password)};
  auto client = Client::create(options).value();
  const auto begin = std::chrono::steady_clock::now();
  const auto connected = client.connect(10s);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
  ASSERT_FALSE(connected);
  const Error& why = connected.error();
  EXPECT_TRUE(why.is(Errc::handshake_failed)) << why.to_string();
  EXPECT_FALSE(why.is_retriable());
  EXPECT_THAT(std::string(why.message()),
              testing::HasSubstr("no common TLS version: those of the server are older than "
                                 "min_version"));
  const auto received = server.received();
  ASSERT_EQ(received.size(), 1u);
  EXPECT_EQ(received[0].substr(0, 2), "\x16\x03");
  EXPECT_THAT(received[0], testing::Not(testing::HasSubstr(matrix_password)));
}

INSTANTIATE_TEST_SUITE_P(
    Of, OldServers,
    testing::Combine(testing::Values(0x0300, 0x0301, 0x0302),
                     testing::Values(std::optional<SaslMechanism>(),
                                     std::optional(SaslMechanism::plain),
                                     std::optional(SaslMechanism::scram_sha_256),
                                     std::optional(SaslMechanism::scram_sha_512))),
    [](const auto& of) {
      const auto version = std::get<0>(of.param);
      const auto& mechanism = std::get<1>(of.param);
      return std::string(version == 0x0300   ? "ssl_3_"
                         : version == 0x0301 ? "tls_1_0_"
                                             : "tls_1_1_") +
             matrix_title_of(mechanism);
    });

// They close each connection, as plain listeners do, but without waiting for the first bytes.
TEST(ProxiesWithoutAServer, AreAskedAgain) {
  const RefusingPort down;
  const Relay proxy(down.port());
  ClientOptions options;
  options.bootstrap_servers = {"localhost:" + std::to_string(proxy.port())};
  options.logger = silent_logger();
  options.tls.emplace();
  auto client = Client::create(options).value();
  const auto connected = client.connect(1s);
  ASSERT_FALSE(connected);
  EXPECT_TRUE(connected.error().is(Errc::timed_out)) << connected.error().to_string();
  EXPECT_GE(proxy.seen().size(), 3u);
}

}  // namespace

std::unique_ptr<MatrixServer> start_matrix_server(const MatrixCertificates& made) {
  return std::make_unique<Nodes>(made);
}

}  // namespace dohle
