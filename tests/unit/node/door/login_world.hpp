#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/digest.hpp"
#include "auth/plain.hpp"
#include "auth/scram.hpp"
#include "node_world.hpp"
#include "unit/shown_secret.hpp"
#include "wire/messages/alter_user_scram_credentials.hpp"
#include "wire/messages/api_versions.hpp"
#include "wire/messages/describe_user_scram_credentials.hpp"
#include "wire/messages/sasl_authenticate.hpp"
#include "wire/messages/sasl_handshake.hpp"

namespace dohle::node {

inline constexpr std::uint16_t login_port = 9093;

inline UserEntry user_entry(std::string_view name, std::string_view password,
                            auth::Digest digest = auth::Digest::sha512,
                            std::uint32_t iterations = auth::min_scram_iterations) {
  std::string salt = "salt of " + std::string(name);
  const auto keys = auth::derive_keys(digest, password, salt, iterations);
  return {std::string(name), digest,
          auth::make_verifier(digest, keys, std::move(salt), iterations)};
}

/// A node whose listener "login" asks for a login, and clients that log in. In the end no line of
/// its log, at any level, may hold a password or the data that checks one.
class LoginWorld : public NodeWorld {
 protected:
  static constexpr std::string_view alice_password = "Alices-Password";
  static constexpr std::string_view bob_password = "Bobs=Pass,word";
  static constexpr std::string_view carol_password = "Carols Password";
  static constexpr std::string_view wrong_password = "Nobodys-Password";

  LoginWorld() {
    logger.lowest = LogLevel::debug;
    settings.security.authenticates = true;
    settings.security.plain_users = {user_entry("alice", alice_password)};
    settings.security.first_scram_users = {
        user_entry("bob", bob_password, auth::Digest::sha256),
        user_entry("carol", carol_password, auth::Digest::sha512)};
  }

  void TearDown() override {
    std::vector<std::string> secrets;
    for (const auto secret : {alice_password, bob_password, carol_password, wrong_password}) {
      secrets.emplace_back(secret);
    }
    for (const auto* users :
         {&settings.security.plain_users, &settings.security.first_scram_users}) {
      for (const UserEntry& user : *users) {
        secrets.push_back(user.verifier.stored_key);
        secrets.push_back(user.verifier.server_key);
      }
    }
    for (const std::string& line : logger.lines) {
      for (const std::string& secret : secrets) {
        EXPECT_EQ(shown_secret(line, secret), "") << line;
      }
    }
  }

  wire::SaslHandshakeResponse shake_hands(std::string_view mechanism, std::string_view from = "one",
                                          std::int16_t version = 1) {
    (void)client(from, login_port);
    wire::SaslHandshakeRequest request;
    request.mechanism = mechanism;
    return ask(request, version, from);
  }
  static wire::SaslAuthenticateRequest token_request(std::string_view token) {
    wire::SaslAuthenticateRequest request;
    request.auth_bytes = Slice::copy_of(token);
    return request;
  }
  wire::SaslAuthenticateResponse send_login(std::string_view token, std::string_view from = "one",
                                            std::int16_t version = 2) {
    return ask(token_request(token), version, from);
  }

  static std::string plain(std::string_view name, std::string_view password) {
    return std::string(auth::plain_message(name, password)->reveal());
  }
  wire::SaslAuthenticateResponse log_in_plain(std::string_view name, std::string_view password,
                                              std::string_view from = "one",
                                              std::int16_t version = 2) {
    EXPECT_EQ(shake_hands("PLAIN", from).error_code, 0);
    return send_login(plain(name, password), from, version);
  }

  static std::string_view mechanism_of(auth::Digest digest) {
    return digest == auth::Digest::sha256 ? "SCRAM-SHA-256" : "SCRAM-SHA-512";
  }
  /// The server's last answer. `challenged` gets its first message.
  wire::SaslAuthenticateResponse log_in_scram(auth::Digest digest, std::string_view name,
                                              std::string_view password,
                                              std::string_view from = "one",
                                              std::string* challenged = nullptr) {
    EXPECT_EQ(shake_hands(mechanism_of(digest), from).error_code, 0);
    auth::ScramClient scram(digest, name, "clientnonce");
    auto answer = send_login(scram.first_message(), from);
    if (answer.error_code != 0) return answer;
    const std::string first(as_text(answer.auth_bytes.bytes()));
    if (challenged != nullptr) *challenged = first;
    const auto challenge = scram.on_server_first(first);
    EXPECT_TRUE(challenge.has_value());
    if (!challenge) return answer;
    const auto keys = auth::derive_keys(digest, password, challenge->salt, challenge->iterations);
    answer = send_login(scram.final_message(keys), from);
    if (answer.error_code == 0) {
      EXPECT_TRUE(scram.on_server_final(as_text(answer.auth_bytes.bytes())).has_value());
    }
    return answer;
  }

  bool is_served(std::string_view from = "one") {
    const auto answer = send(wire::MetadataRequest{}, 12, from);
    world.run_until([&] { return answer->has_value() || client_is_closed(from); }, 5s);
    return answer->has_value();
  }
  bool client_is_closed(std::string_view from) {
    const auto* known = known_client(from);
    return known == nullptr || known->is_closed;
  }
  bool closes(std::string_view from = "one", Duration within = 1s) {
    return world.run_until([&] { return client_is_closed(from); }, within);
  }

  // --- SCRAM users

  static wire::AlterUserScramCredentialsRequest::ScramCredentialUpsertion upsertion(
      std::string_view name, std::string_view password, auth::Digest digest = auth::Digest::sha256,
      std::int32_t iterations = 4'096) {
    const std::string salt = "a new salt";
    const auto rounds = static_cast<std::uint32_t>(std::max(iterations, 1));
    return {
        std::string(name), static_cast<std::int8_t>(digest == auth::Digest::sha256 ? 1 : 2),
        iterations, Slice::copy_of(salt),
        Slice::copy_of(auth::stretch(digest, password, salt, std::min(rounds, 20'000u)).reveal())};
  }
  static wire::AlterUserScramCredentialsRequest::ScramCredentialDeletion deletion(
      std::string_view name, auth::Digest digest = auth::Digest::sha256) {
    return {std::string(name), static_cast<std::int8_t>(digest == auth::Digest::sha256 ? 1 : 2)};
  }
};

}  // namespace dohle::node
