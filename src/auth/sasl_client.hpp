#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "auth/scram.hpp"
#include "dohle/error.hpp"
#include "dohle/sasl.hpp"

namespace dohle::auth {

/// A client's side of one login, by any mechanism.
///
///     SaslClient login(options, nonce);
///     send(login.first_message());
///     // For each answer: on_message. A Reply is sent, keys are derived for NeedKeys and go to
///     // on_keys, whose message is sent; Done ends the login.
class SaslClient {
 public:
  /// A message for the server.
  struct Reply {
    std::string message;
  };
  /// The keys for this salt are needed next: derive_keys, on a worker.
  struct NeedKeys {
    Digest digest;
    std::string salt;
    std::uint32_t iterations;
  };
  /// The server accepted the login and, under SCRAM, has proven that it knows the keys.
  struct Done {};
  using Step = std::variant<Reply, NeedKeys, Done>;

  /// Errors: configuration, with the option and why it is refused; never the password.
  [[nodiscard]] static Result<void> check(const SaslOptions& login);

  /// `login` passed `check`. `nonce` is random: printable ASCII without ','.
  SaslClient(const SaslOptions& login, std::string nonce);

  [[nodiscard]] SaslMechanism mechanism() const { return mechanism_; }
  [[nodiscard]] const std::string& username() const { return username_; }

  [[nodiscard]] std::string first_message();
  /// The server's next message. Errors: auth (it violates the mechanism, or the server did not
  /// prove that it knows the password). The login has then failed.
  [[nodiscard]] Result<Step> on_message(std::string_view message);
  /// Returns the message for the server. Call it once, after NeedKeys.
  [[nodiscard]] std::string on_keys(const ScramKeys& keys);

 private:
  enum class State : std::uint8_t { begun, first_sent, keys_needed, final_sent, ended };

  SaslMechanism mechanism_;
  std::string username_;
  State state_ = State::begun;
  /// PLAIN's message with the password, until it is sent.
  Secret plain_message_;
  std::variant<std::monostate, ScramClient> scram_;
};

}  // namespace dohle::auth
