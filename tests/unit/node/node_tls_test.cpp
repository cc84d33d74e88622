#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "dohle/node.hpp"
#include "fault/measured.hpp"
#include "made_certificates.hpp"
#include "scratch_directory.hpp"
#include "tls_wire.hpp"
#include "wire/messages/api_versions.hpp"
#include "wire/messages/metadata.hpp"

// Listeners with TLS of the public Node, on sockets of the loopback interface.

namespace dohle {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class KeptLog final : public Logger {
 public:
  [[nodiscard]] LogLevel level() const noexcept override { return LogLevel::debug; }
  void log(LogLevel, std::string_view, std::string_view line) noexcept override {
    const std::lock_guard guard(mutex_);
    lines_.emplace_back(line);
    grown_.notify_all();
  }
  /// The first line with all `parts`, within 20 s.
  std::string await(const std::vector<std::string_view>& parts) {
    std::unique_lock lock(mutex_);
    std::string found;
    grown_.wait_for(lock, 20s, [&] {
      const auto at = std::ranges::find_if(lines_, [&](const std::string& line) {
        return std::ranges::all_of(parts, [&](auto part) { return line.contains(part); });
      });
      if (at == lines_.end()) return false;
      found = *at;
      return true;
    });
    return found;
  }
  [[nodiscard]] std::string all() {
    const std::lock_guard guard(mutex_);
    std::string text;
    for (const std::string& line : lines_) text += line + '\n';
    return text;
  }

 private:
  std::mutex mutex_;
  std::condition_variable grown_;
  std::vector<std::string> lines_;
};

struct Authority {
  explicit Authority(const std::string& name)
      : authority(net::make({.name = name, .is_authority = true})) {}
  net::Made authority;
  [[nodiscard]] net::Made issue(net::Wanted wanted) const {
    wanted.issuer = &authority;
    return net::make(wanted);
  }
};

TlsIdentity identity_of(const net::Made& made) {
  TlsIdentity identity;
  identity.certificate_pem = made.certificate_pem();
  identity.key_pem = Secret(made.key_pem());
  return identity;
}

class NodeTlsTest : public testing::Test {
 protected:
  TlsServerOptions server(ClientCertificates certificates = ClientCertificates::none) {
    TlsServerOptions options;
    options.identity = identity_of(server_made);
    options.client_certificates = certificates;
    if (certificates != ClientCertificates::none) {
      options.trust.ca_pem = of_clients.authority.certificate_pem();
    }
    return options;
  }
  NodeListener listener(SecurityProtocol protocol, std::optional<TlsServerOptions> tls) {
    return {.name = "one", .address = "127.0.0.1:0", .protocol = protocol, .tls = std::move(tls)};
  }
  std::uint16_t start(NodeListener with) {
    NodeOptions options;
    options.listeners = {std::move(with)};
    options.logger = log;
    auto started = Node::start(std::move(options));
    EXPECT_TRUE(started) << started.error().to_string();
    if (!started) return 0;
    node.emplace(*std::move(started));
    const std::string& at = node->address();
    return static_cast<std::uint16_t>(std::stoi(at.substr(at.rfind(':') + 1)));
  }
  net::TlsContext client(const net::Made* identity = nullptr, TlsParameters parameters = {}) {
    TlsOptions options;
    options.trust.ca_pem = of_servers.authority.certificate_pem();
    if (identity != nullptr) options.identity = identity_of(*identity);
    options.parameters = std::move(parameters);
    return *net::TlsContext::client(options);
  }
  /// A request over a connection of its own.
  Result<void> is_served(std::uint16_t port, const net::TlsContext& context) {
    TlsWire wire(port);
    if (auto done = wire.shake_hands(context); !done) return done;
    auto answer = wire.ask(wire::MetadataRequest{}, 12);
    if (!answer) return fail(answer.error());
    return {};
  }

  Authority of_servers{"CA of servers"}, of_clients{"CA of clients"};
  net::Made server_made = of_servers.issue({});
  std::shared_ptr<KeptLog> log = std::make_shared<KeptLog>();
  std::optional<Node> node;
};

TEST_F(NodeTlsTest, a_listener_of_ssl_serves_clients_that_are_anonymous) {
  const auto port = start(listener(SecurityProtocol::ssl, server()));
  TlsWire wire(port);
  ASSERT_TRUE(wire.shake_hands(client()));
  EXPECT_EQ(wire.session().version(), "TLSv1.3");
  const auto answer = wire.ask(wire::MetadataRequest{}, 12);
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(answer->brokers.at(0).port, port);
  EXPECT_NE(log->await({"set up TLS on one as User:ANONYMOUS"}), "");
  EXPECT_NE(log->await({"User:ANONYMOUS at 127.0.0.1:", "sends Metadata"}), "");
  EXPECT_FALSE(node->listeners()[0].tls.has_value());
}

TEST_F(NodeTlsTest, tls_1_2_is_served_by_default_and_refused_above_min_version) {
  const TlsParameters old{.max_version = TlsVersion::tls_1_2};
  auto options = server();
  EXPECT_TRUE(is_served(start(listener(SecurityProtocol::ssl, options)), client(nullptr, old)));
  options.parameters.min_version = TlsVersion::tls_1_3;
  const auto refused =
      is_served(start(listener(SecurityProtocol::ssl, options)), client(nullptr, old));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().to_string(), HasSubstr("no common TLS version"));
  EXPECT_NE(log->await({"listener one: connection of 127.0.0.1:", "no common TLS version"}), "");
}

TEST_F(NodeTlsTest, the_name_in_a_certificate_is_the_principal) {
  const auto port = start(listener(SecurityProtocol::ssl, server(ClientCertificates::required)));
  const auto made = of_clients.issue({.name = "Alice, the first"});
  const auto served = is_served(port, client(&made));
  EXPECT_TRUE(served) << served.error().to_string();
  EXPECT_NE(log->await({"User:CN=Alice\\, the first,O=Dohle at 127.0.0.1:", "sends Metadata"}), "");
  EXPECT_NE(log->await({"over TLS with clients' certificates: each client whose"}), "");
}

TEST_F(NodeTlsTest, rules_map_the_name_in_a_certificate_to_the_principal) {
  auto with = listener(SecurityProtocol::ssl, server(ClientCertificates::wanted));
  with.principal_rules = "RULE:^CN=(.*?),O=Dohle$/$1/L";
  const auto port = start(with);
  const auto made = of_clients.issue({.name = "Alice"});
  EXPECT_TRUE(is_served(port, client(&made)));
  EXPECT_NE(log->await({"User:alice at 127.0.0.1:", "sends Metadata"}), "");
  // Without a certificate a client is anonymous.
  EXPECT_TRUE(is_served(port, client()));
  EXPECT_NE(log->await({"User:ANONYMOUS at 127.0.0.1:", "sends Metadata"}), "");
}

TEST_F(NodeTlsTest, a_certificate_that_fits_no_rule_ends_its_connection) {
  auto with = listener(SecurityProtocol::ssl, server(ClientCertificates::required));
  with.principal_rules = "RULE:^CN=Bob,.*$/bob/";
  const auto port = start(with);
  const auto made = of_clients.issue({.name = "Alice"});
  EXPECT_FALSE(is_served(port, client(&made)));
  EXPECT_NE(log->await({"on one: no rule for principals fits", "\"CN=Alice,O=Dohle\""}), "");
}

TEST_F(NodeTlsTest, a_certificate_without_a_subject_ends_its_connection) {
  const auto made = of_clients.issue({.name = ""});
  for (const auto certificates : {ClientCertificates::required, ClientCertificates::wanted}) {
    const auto port = start(listener(SecurityProtocol::ssl, server(certificates)));
    EXPECT_FALSE(is_served(port, client(&made)));
    EXPECT_NE(log->await({"on one: its certificate has no subject, so it names no user"}), "");
    EXPECT_THAT(log->all(), testing::Not(HasSubstr("User:ANONYMOUS at")));
  }
}

TEST_F(NodeTlsTest, a_client_certificate_that_is_missing_expired_or_foreign_is_refused) {
  const auto port = start(listener(SecurityProtocol::ssl, server(ClientCertificates::required)));
  const auto expired = of_clients.issue({.name = "late", .begins_in = -7200, .ends_in = -3600});
  const auto foreign = of_servers.issue({.name = "foreign"});
  for (const TlsVersion newest : {TlsVersion::tls_1_2, TlsVersion::tls_1_3}) {
    const TlsParameters parameters{.max_version = newest};
    EXPECT_FALSE(is_served(port, client(nullptr, parameters)));
    EXPECT_FALSE(is_served(port, client(&expired, parameters)));
    EXPECT_FALSE(is_served(port, client(&foreign, parameters)));
  }
  EXPECT_NE(log->await({"connection of 127.0.0.1:", "the client sent no certificate"}), "");
  EXPECT_NE(log->await({"connection of 127.0.0.1:", "CN=late", "has expired on"}), "");
  EXPECT_NE(log->await({"connection of 127.0.0.1:", "unknown issuer"}), "");
  EXPECT_THAT(log->all(), testing::Not(HasSubstr("sends Metadata")));
}

TEST_F(NodeTlsTest, certificates_without_logins_create_no_file_of_users) {
  const ScratchDirectory data;
  NodeOptions options;
  options.data_dir = data.path();
  options.listeners = {listener(SecurityProtocol::ssl, server(ClientCertificates::required))};
  options.logger = log;
  const auto started = Node::start(std::move(options));
  ASSERT_TRUE(started) << started.error().to_string();
  EXPECT_FALSE(std::filesystem::exists(data / "dohle-users"));
}

TEST_F(NodeTlsTest, a_handshake_that_is_cut_anywhere_leaves_the_node_serving) {
  const auto port = start(listener(SecurityProtocol::ssl, server()));
  const std::string hello = TlsWire::first_bytes(client());
  for (std::size_t size = 0; size < hello.size(); size += 7) {
    TlsWire cut(port);
    ASSERT_TRUE(cut.is_connected());
    cut.send_bytes(std::string_view(hello).substr(0, size));
  }
  EXPECT_TRUE(is_served(port, client()));
  EXPECT_NE(log->await({"connection of 127.0.0.1:", "TLS handshake failed: closed by the other"}),
            "");
}

TEST_F(NodeTlsTest, garbage_and_plain_requests_are_closed_and_named) {
  const auto port = start(listener(SecurityProtocol::ssl, server()));
  TlsWire plain(port);
  plain.send_bytes(wire::encode_request(1, "test", wire::MetadataRequest{}, 12)->flatten()->text());
  EXPECT_EQ(plain.rest(), std::string("\x15\x03\x03\0\2\2\n", 7)) << "an alert, by which it knows";
  EXPECT_NE(log->await({"connection of 127.0.0.1:", "a plain Kafka request came to a TLS"}), "");
  TlsWire garbage(port);
  garbage.send_bytes(std::string(1000, 'x'));
  EXPECT_TRUE(garbage.is_closed_by_the_node());
  EXPECT_NE(log->await({"connection of 127.0.0.1:", "plain bytes came to a TLS listener"}), "");
  TlsWire web(port);
  web.send_bytes("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(web.is_closed_by_the_node());
  EXPECT_NE(log->await({"an HTTP request came to a TLS listener"}), "");
}

// Clients that send nothing, or stop in the middle, do not delay other clients.
TEST_F(NodeTlsTest, silent_handshakes_do_not_delay_others) {
  const auto port = start(listener(SecurityProtocol::ssl, server()));
  const std::string hello = TlsWire::first_bytes(client());
  std::vector<std::unique_ptr<TlsWire>> silent;
  for (int i = 0; i < 150; ++i) {
    silent.push_back(std::make_unique<TlsWire>(port));
    if (i % 3 == 1) silent.back()->send_bytes(hello.substr(0, hello.size() / 2));
    if (i % 3 == 2) silent.back()->send_bytes(hello);
  }
  EXPECT_TRUE(is_served(port, client()));
}

void raise_descriptor_limit() {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
}

TEST_F(NodeTlsTest, the_oldest_of_too_many_handshakes_is_closed) {
  raise_descriptor_limit();
  constexpr std::size_t allowed = 1'000;
  const auto port = start(listener(SecurityProtocol::ssl, server()));
  const std::string hello = TlsWire::first_bytes(client());
  std::vector<std::unique_ptr<TlsWire>> silent;
  for (std::size_t i = 0; i <= allowed; ++i) {
    silent.push_back(std::make_unique<TlsWire>(port));
    ASSERT_TRUE(silent.back()->is_connected());
    silent.back()->send_bytes(hello.substr(0, hello.size() / 2));
  }
  EXPECT_TRUE(silent.front()->is_closed_by_the_node());
  EXPECT_NE(
      log->await({"on one: it has not finished its TLS handshake and is the oldest of the 1001 "
                  "of its address"}),
      "");
  EXPECT_TRUE(is_served(port, client()));
}

TEST_F(NodeTlsTest, a_handshake_that_is_not_done_within_10_s_ends) {
  const auto port = start(listener(SecurityProtocol::ssl, server()));
  const std::string hello = TlsWire::first_bytes(client());
  TlsWire silent(port), half(port), whole(port);
  half.send_bytes(hello.substr(0, hello.size() / 2));
  whole.send_bytes(hello);
  EXPECT_TRUE(silent.is_closed_by_the_node());
  EXPECT_TRUE(half.is_closed_by_the_node());
  EXPECT_TRUE(whole.is_closed_by_the_node());
  EXPECT_NE(log->await({"127.0.0.1:", "TLS handshake", "within 10"}), "");
}

// Sanitizers slow handshakes down, so that the limit on the others' waits counts without them.
TEST_F(NodeTlsTest, a_thousand_simultaneous_clients_all_connect_while_others_are_served) {
  raise_descriptor_limit();
  constexpr std::size_t threads = 4, clients = fault::is_measured ? 1'000 : 100;
  const auto port = start(listener(SecurityProtocol::ssl, server()));
  const auto context = client();
  TlsWire other(port);
  ASSERT_TRUE(other.shake_hands(context));
  std::vector<std::unique_ptr<TlsWire>> wires(clients);
  std::atomic<std::size_t> let_in = 0, ended = 0;
  std::vector<std::jthread> running;
  for (std::size_t thread = 0; thread < threads; ++thread) {
    running.emplace_back([&, thread] {
      for (std::size_t i = thread; i < clients; i += threads) {
        wires[i] = std::make_unique<TlsWire>(port);
        (void)wires[i]->begin(context);
      }
      for (std::size_t i = thread; i < clients; i += threads) {
        if (wires[i]->finish() && wires[i]->ask(wire::MetadataRequest{}, 12)) ++let_in;
      }
      ++ended;
    });
  }
  std::vector<double> waits_ms;
  while (ended < threads) {
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(other.ask(wire::MetadataRequest{}, 12));
    waits_ms.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
            .count());
  }
  running.clear();
  EXPECT_EQ(let_in, clients);
  std::ranges::sort(waits_ms);
  const double p99_ms = waits_ms[waits_ms.size() * 99 / 100];
  std::printf("%zu handshakes; others: %zu requests, p50 %.2f ms, p99 %.2f ms, longest %.2f ms\n",
              clients, waits_ms.size(), waits_ms[waits_ms.size() / 2], p99_ms, waits_ms.back());
  if (fault::is_measured) {
    EXPECT_LT(p99_ms, 50);
  }
}

TEST_F(NodeTlsTest, a_stop_ends_handshakes_under_way) {
  const auto port = start(listener(SecurityProtocol::ssl, server()));
  const TlsWire silent(port);
  ASSERT_TRUE(is_served(port, client()));
  EXPECT_TRUE(node->close(10s));
  EXPECT_TRUE(silent.is_closed_by_the_node());
}

class NodeTlsFilesTest : public NodeTlsTest {
 protected:
  [[nodiscard]] std::string file(const std::string& name) const { return (folder / name).string(); }
  void write(const std::string& name, const std::string& text) const { folder.write(name, text); }
  void write_pair(const std::string& name, const net::Made& made) const {
    write(name + ".pem", made.certificate_pem());
    write(name + ".key", made.key_pem());
  }
  NodeListener listener_of(const std::string& name) {
    TlsServerOptions tls;
    tls.identity.certificate_file = file(name + ".pem");
    tls.identity.key_file = file(name + ".key");
    return {.name = name,
            .address = "127.0.0.1:0",
            .protocol = SecurityProtocol::ssl,
            .tls = std::move(tls)};
  }
  std::uint16_t port_of(std::size_t listener) const {
    const std::string& at = node->listeners()[listener].address;
    return static_cast<std::uint16_t>(std::stoi(at.substr(at.rfind(':') + 1)));
  }

  const ScratchDirectory folder;
};

TEST_F(NodeTlsFilesTest, certificates_are_read_again_for_all_listeners_or_for_none) {
  const Authority others("another CA");
  write_pair("one", server_made);
  write_pair("two", server_made);
  NodeOptions options;
  options.listeners = {listener_of("one"), listener_of("two")};
  options.logger = log;
  auto started = Node::start(std::move(options));
  ASSERT_TRUE(started) << started.error().to_string();
  node.emplace(*std::move(started));
  TlsOptions trust_others;
  trust_others.trust.ca_pem = others.authority.certificate_pem();
  const auto new_client = *net::TlsContext::client(trust_others);
  TlsWire open(port_of(0));
  ASSERT_TRUE(open.shake_hands(client()));

  // A key of another certificate for the second listener: the first keeps its old one, too.
  const auto renewed = others.issue({});
  write_pair("one", renewed);
  write("two.pem", renewed.certificate_pem());
  auto done = node->reload_certificates();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().category(), ErrorCategory::configuration);
  EXPECT_THAT(done.error().to_string(), HasSubstr("listener two: TLS: "));
  std::filesystem::remove(file("two.key"));
  EXPECT_FALSE(node->reload_certificates());
  for (const std::size_t each : {0u, 1u}) {
    EXPECT_TRUE(is_served(port_of(each), client()));
    EXPECT_FALSE(is_served(port_of(each), new_client));
  }

  write_pair("two", renewed);
  done = node->reload_certificates();
  ASSERT_TRUE(done) << done.error().to_string();
  for (const std::size_t each : {0u, 1u}) {
    EXPECT_FALSE(is_served(port_of(each), client()));
    EXPECT_TRUE(is_served(port_of(each), new_client));
  }
  // Open connections go on.
  EXPECT_TRUE(open.ask(wire::MetadataRequest{}, 12));
  EXPECT_TRUE(node->close());
  EXPECT_TRUE(node->reload_certificates().error().is(Errc::closed));
  EXPECT_THAT(log->all(), testing::Not(HasSubstr("PRIVATE KEY")));
}

TEST_F(NodeTlsFilesTest, a_key_that_others_may_read_is_warned_of_at_each_reading) {
  write_pair("one", server_made);
  std::filesystem::permissions(file("one.key"), std::filesystem::perms(0644));
  start(listener_of("one"));
  const std::string warning =
      "listener one: TLS: key file '" + file("one.key") +
      "' holds a private key without a passphrase, and its mode 0644 gives other users rights on "
      "it; run: chmod 600 " +
      file("one.key");
  EXPECT_NE(log->await({warning}), "");
  std::filesystem::permissions(file("one.key"), std::filesystem::perms(0606));
  ASSERT_TRUE(node->reload_certificates());
  EXPECT_NE(log->await({"its mode 0606 gives other users rights"}), "");
}

TEST_F(NodeTlsFilesTest, certificates_replaced_under_load_fail_no_request) {
  write_pair("one", server_made);
  (void)start(listener_of("one"));
  const auto context = client();
  std::atomic<bool> is_over = false;
  std::atomic<int> failed = 0, served = 0;
  std::vector<std::jthread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      while (!is_over) (is_served(port_of(0), context) ? served : failed)++;
    });
  }
  for (int i = 0; i < 20; ++i) {
    write_pair("one", of_servers.issue({}));
    const auto done = node->reload_certificates();
    EXPECT_TRUE(done) << done.error().to_string();
    const int before = served;
    while (served < before + 4 && failed == 0) std::this_thread::yield();
  }
  is_over = true;
  clients.clear();
  EXPECT_EQ(failed, 0);
}

struct BadTls {
  const char* name;
  std::function<void(NodeListener&)> change;
  const char* words;
};

class BadTlsTest : public testing::TestWithParam<BadTls> {};

TEST_P(BadTlsTest, is_a_configuration_error_that_says_what_to_do) {
  NodeOptions options;
  options.logger = silent_logger();
  const auto made = net::make({});
  options.listeners = {{.name = "one",
                        .address = "127.0.0.1:0",
                        .protocol = SecurityProtocol::ssl,
                        .tls = TlsServerOptions{.identity = identity_of(made)}}};
  GetParam().change(options.listeners[0]);
  const auto started = Node::start(std::move(options));
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().category(), ErrorCategory::configuration);
  EXPECT_THAT(started.error().to_string(), HasSubstr(GetParam().words));
}

INSTANTIATE_TEST_SUITE_P(
    Listeners, BadTlsTest,
    testing::Values(
        BadTls{"no_tls", [](NodeListener& l) { l.tls.reset(); },
               "listener one: tls is not set, and the protocol is SSL: set tls.identity"},
        BadTls{"plain", [](NodeListener& l) { l.protocol = SecurityProtocol::plaintext; },
               "listener one: tls is set, but the protocol is PLAINTEXT"},
        BadTls{"no_identity",
               [](NodeListener& l) {
                 l.protocol = SecurityProtocol::sasl_ssl;
                 l.tls->identity = {};
               },
               "listener one: TLS: a listener needs a certificate and its key"},
        BadTls{"no_authority",
               [](NodeListener& l) { l.tls->client_certificates = ClientCertificates::required; },
               "no CA is set that they may come from"},
        BadTls{"unused_authority",
               [](NodeListener& l) {
                 l.tls->trust.ca_pem = net::make({.is_authority = true}).certificate_pem();
               },
               "listener one: TLS: client_certificates is none, so the CAs and revocation lists of "
               "trust would not be used"},
        BadTls{"unused_revocations",
               [](NodeListener& l) { l.tls->trust.crl_file = "/none/crl.pem"; },
               "listener one: TLS: client_certificates is none, so the CAs and revocation lists"},
        BadTls{"enum", [](NodeListener& l) { l.tls->client_certificates = ClientCertificates{7}; },
               "listener one: tls.client_certificates is 7"},
        BadTls{"version", [](NodeListener& l) { l.tls->parameters.min_version = TlsVersion{7}; },
               "listener one: tls.parameters: a version is 7"},
        BadTls{"rules_without_certificates",
               [](NodeListener& l) { l.principal_rules = "RULE:a/b/"; },
               "listener one: principal_rules are for the names in clients' certificates"},
        BadTls{"rules",
               [](NodeListener& l) {
                 l.tls->client_certificates = ClientCertificates::wanted;
                 l.tls->trust.ca_pem = net::make({.is_authority = true}).certificate_pem();
                 l.principal_rules = "RULE:(a/b/";
               },
               "listener one: principal_rules: the rule at \"RULE:(a/b/\" has a pattern that RE2"}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace dohle
