// Everything that a node, a client and a broker print at the lowest level, and every error and
// answer that they return, is searched for the passwords, the passphrase and the key that they were
// given: clear, in base64 and in hex.
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dohle/admin.hpp"
#include "dohle/client.hpp"
#include "dohle/kafka.hpp"
#include "dohle/node.hpp"
#include "unit/net/tls/made_certificates.hpp"
#include "unit/shown_secret.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;
using namespace kafka;

/// After this time a connection has to log in again.
constexpr std::chrono::milliseconds session = 2s;
constexpr std::string_view alice_password = "Password-of-Alice";
constexpr std::string_view bob_password = "Password of Bob, =";
constexpr std::string_view new_password = "New password of Bob";
constexpr std::string_view carol_password = "Password-of-Carol";
constexpr std::string_view wrong_password = "No-password-of-anybody";
constexpr std::string_view passphrase = "Passphrase of the key";

/// Text from any thread.
class Printed {
 public:
  void add(std::string_view text) {
    const std::lock_guard guard(mutex_);
    text_ += text;
    text_ += '\n';
  }
  [[nodiscard]] std::shared_ptr<Logger> logger() {
    return function_logger(LogLevel::debug,
                           [this](LogLevel, std::string_view subject, std::string_view line) {
                             add(std::string(subject) + ": " + std::string(line));
                           });
  }
  [[nodiscard]] std::string text() const {
    const std::lock_guard guard(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

class Secrets : public testing::Test {
 protected:
  void SetUp() override {
    auto started = Node::start(node_options());
    ASSERT_TRUE(started) << started.error().to_string();
    node_.emplace(*std::move(started));
  }
  void TearDown() override {
    if (node_) {
      EXPECT_TRUE(node_->close(10s));
    }
    node_.reset();
    const std::string text = printed_.text();
    const std::string key = made_.key_pem();
    // The second line of the PEM text, which is base64 already.
    const std::string of_key = key.substr(key.find('\n') + 1, 40);
    for (const std::string_view secret :
         {alice_password, bob_password, new_password, carol_password, wrong_password, passphrase,
          std::string_view(of_key)}) {
      EXPECT_EQ(shown_secret(text, secret), "") << secret << "\n" << text;
    }
  }

  [[nodiscard]] NodeOptions node_options() {
    const TlsServerOptions tls{.identity = {.certificate_pem = made_.certificate_pem(),
                                            .key_pem = Secret(made_.key_pem(passphrase.data())),
                                            .passphrase = Secret(passphrase)}};
    NodeOptions options{.listeners = {{.name = "plain",
                                       .address = "127.0.0.1:0",
                                       .protocol = SecurityProtocol::sasl_plaintext},
                                      {.name = "secret",
                                       .address = "127.0.0.1:0",
                                       .protocol = SecurityProtocol::sasl_ssl,
                                       .tls = tls}},
                        .sasl = {.plain_users = {{"alice", Secret(alice_password)},
                                                 {"carol", Secret(carol_password)}},
                                 .max_reauth = session}};
    options.logger = printed_.logger();
    return options;
  }
  [[nodiscard]] const std::string& address(bool has_tls) const {
    return node_->listeners().at(has_tls ? 1 : 0).address;
  }
  [[nodiscard]] TlsOptions tls() const {
    return {.trust = {.ca_pem = authority_.certificate_pem()}};
  }
  [[nodiscard]] ClientOptions client_options(SaslOptions login, bool has_tls) {
    ClientOptions options{.bootstrap_servers = {address(has_tls)}, .sasl = std::move(login)};
    if (has_tls) options.tls = tls();
    options.logger = printed_.logger();
    return options;
  }
  static SaslOptions alice(std::string_view password = alice_password) {
    return {SaslMechanism::plain, "alice", Secret(password)};
  }
  static SaslOptions bob(SaslMechanism mechanism, std::string_view password = bob_password) {
    return {mechanism, "bob", Secret(password)};
  }

  void set_bob(Client& by, std::string_view password) {
    std::vector<NewScramUser> users;
    for (const auto mechanism : {SaslMechanism::scram_sha_256, SaslMechanism::scram_sha_512}) {
      NewScramUser user{.name = "bob", .password = Secret(password)};
      user.mechanism = mechanism;
      users.push_back(std::move(user));
    }
    for (const auto& each : by.admin().set_scram_users(users).value()) {
      EXPECT_TRUE(noted(each.result));
    }
  }

  template <class T>
  bool noted(const Result<T>& result) {
    if (result) return true;
    const Error& why = result.error();
    printed_.add(why.to_string());
    printed_.add(std::string(why.message()) + std::string(why.server_message()));
    return false;
  }

  net::Made authority_ = net::make({.name = "CA", .is_authority = true});
  net::Made made_ = net::make({.issuer = &authority_});
  Printed printed_;
  std::optional<Node> node_;
};

static_assert(!std::is_convertible_v<Secret, std::string_view> &&
              !std::is_convertible_v<Secret, std::string>);
template <class T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };
static_assert(!Printable<Secret> && !fmt::is_formattable<Secret>::value);

TEST_F(Secrets, AreNotPrintedByLoginsUsersAndSettings) {
  auto client = Client::create(client_options(alice(), false)).value();
  ASSERT_TRUE(client.connect(10s));
  set_bob(client, bob_password);
  EXPECT_FALSE(noted(client.admin().delete_scram_users({{.name = "nobody"}}).value().at(0).result));
  for (const auto& user : client.admin().list_scram_users().value()) printed_.add(user.name);
  const auto settings = client.admin().describe_configs(
      {{ConfigResourceType::broker, "1"}, {ConfigResourceType::topic, "none"}});
  std::size_t shown = 0;
  for (const auto& each : settings.value()) {
    if (!noted(each.result)) continue;
    for (const ConfigEntry& entry : *each.result) {
      printed_.add(entry.name + "=" + entry.value.value_or("null"));
      ++shown;
    }
  }
  EXPECT_GT(shown, 0u);

  for (const bool has_tls : {false, true}) {
    for (const auto mechanism : {SaslMechanism::scram_sha_256, SaslMechanism::scram_sha_512}) {
      auto right = Client::create(client_options(bob(mechanism), has_tls)).value();
      EXPECT_TRUE(noted(right.connect(10s)));
      auto wrong = Client::create(client_options(bob(mechanism, wrong_password), has_tls)).value();
      EXPECT_FALSE(noted(wrong.connect(10s)));
    }
    auto wrong = Client::create(client_options(alice(wrong_password), has_tls)).value();
    EXPECT_FALSE(noted(wrong.connect(10s)));
  }
  const std::string text = printed_.text();
  EXPECT_THAT(text, testing::HasSubstr("AlterUserScramCredentials"));
  EXPECT_THAT(text, testing::HasSubstr("User:bob"));
}

TEST_F(Secrets, AreNotPrintedWhenLoginsAreReplacedAndRenewed) {
  auto alices = Client::create(client_options(alice(), false)).value();
  ASSERT_TRUE(alices.connect(10s));
  set_bob(alices, bob_password);
  struct Replaced {
    Client client;
    SaslOptions later, wrong;
  };
  const SaslOptions carol{SaslMechanism::plain, "carol", Secret(carol_password)};
  std::vector<Replaced> all;
  for (const bool has_tls : {false, true}) {
    all.push_back({Client::create(client_options(alice(), has_tls)).value(),
                   carol,
                   {SaslMechanism::plain, "carol", Secret(wrong_password)}});
    for (const auto mechanism : {SaslMechanism::scram_sha_256, SaslMechanism::scram_sha_512}) {
      all.push_back({Client::create(client_options(bob(mechanism), has_tls)).value(),
                     bob(mechanism, new_password), bob(mechanism, wrong_password)});
    }
  }
  for (Replaced& each : all) EXPECT_TRUE(noted(each.client.connect(10s)));
  set_bob(alices, new_password);
  for (Replaced& each : all) {
    EXPECT_FALSE(noted(each.client.replace_login(
        {SaslMechanism::plain, "bob", Secret(std::string(wrong_password) + '\0')})));
    EXPECT_TRUE(noted(each.client.replace_login(each.later)));
  }
  // Each connection logs in again before its session ends, now by the new password.
  const auto end = std::chrono::steady_clock::now() + session * 3 / 2;
  while (std::chrono::steady_clock::now() < end) {
    for (Replaced& each : all) ASSERT_TRUE(noted(each.client.admin().list_topics()));
  }
  for (Replaced& each : all) {
    EXPECT_TRUE(noted(each.client.replace_login(each.wrong)));
    Result<void> refused;
    for (const auto limit = std::chrono::steady_clock::now() + 30s;
         refused && std::chrono::steady_clock::now() < limit;) {
      const auto listed = each.client.admin().list_topics();
      if (!noted(listed)) refused = fail(listed.error());
    }
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().is_auth()) << refused.error().to_string();
  }
  const std::string text = printed_.text();
  EXPECT_THAT(text, testing::HasSubstr("User:carol"));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("its login has expired")));
}

TEST_F(Secrets, AreNotPrintedByBrokers) {
  auto broker = kafka::new_broker(with_address(address(true)), with_logger(printed_.logger()),
                                  with_tls(tls()), with_plain_mechanism("alice", alice_password))
                    .value();
  EXPECT_TRUE(noted(broker.connect(10s)));
  EXPECT_TRUE(noted(kafka::create_topic(broker, "orders", 1, 1)));
  EXPECT_TRUE(noted(broker.publish("orders", Message("hello"), with_publish_async(false))));
  EXPECT_FALSE(noted(broker.init(with_plain_mechanism("alice", wrong_password))));
  EXPECT_EQ(broker.options().sasl->password, Secret(alice_password));
  auto wrong = kafka::new_broker(
                   with_address(address(true)), with_logger(printed_.logger()), with_tls(tls()),
                   with_scram_mechanism(kafka::ScramAlgorithm::sha256, "bob", wrong_password))
                   .value();
  EXPECT_FALSE(noted(wrong.connect(10s)));
  EXPECT_FALSE(
      noted(kafka::new_broker(with_address(address(false)),
                              with_plain_mechanism("a\nb", std::string(bob_password) + "\xff"))));
}

TEST_F(Secrets, AreNotPrintedByNodesThatDoNotStart) {
  const auto refuse = [&](const std::function<void(NodeOptions&)>& change) {
    NodeOptions options = node_options();
    change(options);
    EXPECT_FALSE(noted(Node::start(std::move(options))));
  };
  refuse([](NodeOptions& options) {
    options.listeners[1].tls->identity.passphrase = Secret(wrong_password);
  });
  refuse([](NodeOptions& options) {
    options.listeners[1].tls->identity.key_pem = Secret(bob_password);
  });
  refuse([](NodeOptions& options) {
    options.listeners[1].tls->identity.pkcs12_bytes = Secret(bob_password);
  });
  refuse([](NodeOptions& options) {
    options.sasl.plain_users.push_back({"b\xc3\xb6", Secret(bob_password)});
  });
  refuse([](NodeOptions& options) {
    options.sasl.plain_users.push_back({"bob", Secret(std::string(bob_password) + '\0')});
  });
  refuse([](NodeOptions& options) {
    options.sasl.plain_users.push_back({"alice", Secret(bob_password)});
  });
}

}  // namespace
}  // namespace dohle
