#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "auth/scram.hpp"
#include "dohle/sasl.hpp"
#include "dohle/secret.hpp"
#include "node/security/users.hpp"

namespace dohle::node {

/// The node's side of one login, by any mechanism. An unknown user goes through the same steps as a
/// wrong password.
class ServedLogin {
 public:
  /// A message for the client, which answers it.
  struct Reply {
    std::string message;
  };
  /// The password has to be checked, which is slow: `on_checked` takes the outcome.
  struct Check {
    Secret password;
    Users::Found against;
  };
  struct Accepted {
    std::string name;
    /// The last message for the client. May be empty.
    std::string message;
  };
  struct Refused {
    /// The reason, for the log. The client gets the same message for every reason.
    std::string why;
  };
  using Step = std::variant<Reply, Check, Accepted, Refused>;

  /// `users` outlives it. `nonce` is random: printable ASCII without ','.
  ServedLogin(SaslMechanism mechanism, const Users& users, std::string nonce);

  [[nodiscard]] SaslMechanism mechanism() const { return mechanism_; }
  /// The client's next message.
  [[nodiscard]] Step on_message(std::string_view message);
  /// The outcome of a Check.
  [[nodiscard]] Step on_checked(bool is_right);

 private:
  enum class State : std::uint8_t { begun, challenged, checking, ended };

  [[nodiscard]] Step on_plain(std::string_view message);
  [[nodiscard]] Step on_scram_first(std::string_view message);
  [[nodiscard]] Step on_scram_final(std::string_view message);
  [[nodiscard]] Step refused(std::string_view why);

  SaslMechanism mechanism_;
  const Users* users_;
  State state_ = State::begun;
  std::string name_;
  auth::ScramServer scram_;
};

}  // namespace dohle::node
