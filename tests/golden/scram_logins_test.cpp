#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/plain.hpp"
#include "auth/sasl_client.hpp"
#include "auth/scram.hpp"
#include "golden_lines.hpp"

// Logins of Apache Kafka's client at Apache Kafka's server (ScramLogins.java), and of librdkafka
// 2.16.0 at a server of Python's hashlib (librdkafka_logins.py).

namespace dohle::auth {
namespace {

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

struct Recorded {
  SaslMechanism mechanism;
  std::string name, password;
  std::vector<std::string> messages;

  [[nodiscard]] Digest digest() const { return digest_of(mechanism); }
  /// The client's part of the nonce, and the part that the server appended to it.
  [[nodiscard]] std::string client_nonce() const {
    return messages[0].substr(messages[0].find(",r=") + 3);
  }
  [[nodiscard]] std::string server_nonce() const {
    const std::size_t begin = 2 + client_nonce().size();
    return messages[1].substr(begin, messages[1].find(',') - begin);
  }
};

std::vector<Recorded> read_logins(const char* path) {
  std::vector<Recorded> logins;
  for (const golden::Line& line : golden::read_lines(path)) {
    const auto mechanism = line.at("mechanism").get<std::string>();
    Recorded each{mechanism == "PLAIN"           ? SaslMechanism::plain
                  : mechanism == "SCRAM-SHA-256" ? SaslMechanism::scram_sha_256
                                                 : SaslMechanism::scram_sha_512,
                  from_hex(line.at("name").get<std::string>()),
                  from_hex(line.at("password").get<std::string>()),
                  {}};
    for (const auto& message : line.at("messages")) {
      each.messages.push_back(from_hex(message.get<std::string>()));
    }
    logins.push_back(std::move(each));
  }
  return logins;
}

void expect_of_client(const Recorded& login) {
  ScramClient client(login.digest(), login.name, login.client_nonce());
  EXPECT_EQ(client.first_message(), login.messages[0]);
  const auto challenge = client.on_server_first(login.messages[1]);
  ASSERT_TRUE(challenge.has_value()) << challenge.error().to_string();
  const auto keys =
      derive_keys(login.digest(), login.password, challenge->salt, challenge->iterations);
  EXPECT_EQ(client.final_message(keys), login.messages[2]);
  EXPECT_TRUE(client.on_server_final(login.messages[3]).has_value());
  std::string changed = login.messages[3];
  changed[changed.size() / 2] = changed[changed.size() / 2] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(client.on_server_final(changed).has_value());
}

void expect_of_server(const Recorded& login) {
  ScramServer server(login.digest(), login.server_nonce());
  const auto name = server.on_client_first(login.messages[0]);
  ASSERT_TRUE(name.has_value()) << name.error().to_string();
  EXPECT_EQ(*name, login.name);
  ScramClient asked(login.digest(), login.name, login.client_nonce());
  const auto challenge = asked.on_server_first(login.messages[1]).value();
  const auto verifier_of = [&](const std::string& password) {
    const auto keys = derive_keys(login.digest(), password, challenge.salt, challenge.iterations);
    return make_verifier(login.digest(), keys, challenge.salt, challenge.iterations);
  };
  EXPECT_EQ(server.first_message(verifier_of(login.password)), login.messages[1]);
  EXPECT_EQ(server.on_client_final(login.messages[2]).value(), std::optional(login.messages[3]));
  (void)server.first_message(verifier_of(login.password + "x"));
  EXPECT_EQ(server.on_client_final(login.messages[2]).value(), std::nullopt);
}

void expect_of_plain(const Recorded& login) {
  ASSERT_EQ(login.messages.size(), 1u);
  EXPECT_EQ(plain_message(login.name, login.password)->reveal(), login.messages[0]);
  const auto read = read_plain_message(login.messages[0]);
  ASSERT_TRUE(read.has_value()) << read.error().to_string();
  EXPECT_EQ(read->name, login.name);
  EXPECT_EQ(read->password.reveal(), login.password);
}

void expect_all(const std::vector<Recorded>& logins) {
  for (const Recorded& login : logins) {
    SCOPED_TRACE(login.name);
    if (login.mechanism == SaslMechanism::plain) {
      expect_of_plain(login);
      continue;
    }
    ASSERT_EQ(login.messages.size(), 4u);
    expect_of_client(login);
    expect_of_server(login);
  }
}

TEST(Logins, SendTheSameBytesAsApacheKafka) {
  const auto logins = read_logins(DOHLE_GOLDEN_SCRAM_LOGINS);
  ASSERT_EQ(logins.size(), 60u);
  expect_all(logins);
}

TEST(Logins, SendTheSameBytesAsLibrdkafka) {
  const auto logins = read_logins(DOHLE_GOLDEN_LIBRDKAFKA_LOGINS);
  ASSERT_EQ(logins.size(), 24u);
  expect_all(logins);
}

}  // namespace
}  // namespace dohle::auth
