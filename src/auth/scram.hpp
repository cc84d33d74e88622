#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "auth/digest.hpp"
#include "dohle/error.hpp"
#include "dohle/sasl.hpp"
#include "dohle/secret.hpp"

namespace dohle::auth {

/// Iterations that a client accepts of a server, and that a server stores.
inline constexpr std::uint32_t min_scram_iterations = 4'096;
inline constexpr std::uint32_t max_client_iterations = 1'000'000;
inline constexpr std::uint32_t max_stored_iterations = 16'384;
/// The most bytes of one message of either side. Longer ones are refused unread.
inline constexpr std::size_t max_scram_message_bytes = 16 * 1024;

/// The hash function of a SCRAM mechanism; SHA-512 for PLAIN, which has none.
[[nodiscard]] constexpr Digest digest_of(SaslMechanism mechanism) {
  return mechanism == SaslMechanism::scram_sha_256 ? Digest::sha256 : Digest::sha512;
}
[[nodiscard]] constexpr SaslMechanism mechanism_of(Digest digest) {
  return digest == Digest::sha256 ? SaslMechanism::scram_sha_256 : SaslMechanism::scram_sha_512;
}

/// Keys that a client derives from the password, once per salt and number of iterations.
struct ScramKeys {
  Secret client_key;
  Secret server_key;
};
/// Slow (PBKDF2): it runs on a worker. The password is taken as its UTF-8 octets, without SASLprep,
/// as Apache Kafka, librdkafka and franz-go do.
[[nodiscard]] ScramKeys derive_keys(Digest digest, std::string_view password, std::string_view salt,
                                    std::uint32_t iterations);

/// The keys for a password that is salted and stretched already. It is as good as the password.
[[nodiscard]] ScramKeys keys_of_salted(Digest digest, std::string_view salted_password);

/// A stored user: enough to check a password, not enough to log in.
struct ScramVerifier {
  std::string salt;
  std::string stored_key;
  std::string server_key;
  std::uint32_t iterations = min_scram_iterations;
  friend bool operator==(const ScramVerifier&, const ScramVerifier&) = default;
};
[[nodiscard]] ScramVerifier make_verifier(Digest digest, const ScramKeys& keys, std::string salt,
                                          std::uint32_t iterations);
/// The properties of a salt by which the tool that made it can be recognized.
struct SaltForm {
  /// Its size; 0 for a salt of Java's tools, which is a number below 2^130 to the base 36.
  std::size_t octets = 16;
  friend auto operator<=>(const SaltForm&, const SaltForm&) = default;
};
[[nodiscard]] SaltForm form_of_salt(std::string_view salt);

/// The properties of a stored user that a login reveals.
struct VerifierForm {
  Digest digest = Digest::sha512;
  std::uint32_t iterations = min_scram_iterations;
  SaltForm salt = {};
  friend auto operator<=>(const VerifierForm&, const VerifierForm&) = default;
};
/// The verifier of a user that is not there. Nothing matches it; it is the same each time for one
/// key, name and form, so that a client cannot tell the user from one that is there.
[[nodiscard]] ScramVerifier make_decoy(const VerifierForm& form, std::string_view key,
                                       std::string_view name);

/// The client's side of one SCRAM login (RFC 5802, RFC 7677) without channel binding.
///
///     ScramClient client(Digest::sha256, "alice", nonce);
///     send(client.first_message());
///     auto challenge = client.on_server_first(received);            // salt and iterations
///     auto keys = derive_keys(digest, password, challenge->salt, challenge->iterations);
///     send(client.final_message(keys));
///     auto proven = client.on_server_final(received);               // the server knows the keys
class ScramClient {
 public:
  struct Challenge {
    std::string salt;
    std::uint32_t iterations;
  };

  /// Errors: configuration (a name that is empty, is not UTF-8, or holds control characters).
  [[nodiscard]] static Result<void> check_name(std::string_view name);

  /// `name` passed check_name. `nonce` is random: printable ASCII without ','.
  ScramClient(Digest digest, std::string_view name, std::string nonce);

  [[nodiscard]] std::string first_message() const;
  /// Errors: malformed (not a server's first message, another nonce, iterations out of bounds); the
  /// server's own error, if it sent one.
  [[nodiscard]] Result<Challenge> on_server_first(std::string_view message);
  [[nodiscard]] std::string final_message(const ScramKeys& keys);
  /// Errors: malformed (also: the server does not know the keys); the server's own error.
  [[nodiscard]] Result<void> on_server_final(std::string_view message) const;

 private:
  Digest digest_;
  std::string first_bare_;
  std::string client_nonce_;
  std::string nonce_;
  std::string server_first_;
  std::string server_signature_;
};

/// The server's side of one SCRAM login.
class ScramServer {
 public:
  /// `nonce` is random: printable ASCII without ','.
  ScramServer(Digest digest, std::string nonce) : digest_(digest), nonce_(std::move(nonce)) {}

  /// Returns the name of the user. Errors: malformed (also features that the node refuses: channel
  /// binding, another authorization id, extensions, names that are not ASCII).
  [[nodiscard]] Result<std::string> on_client_first(std::string_view message);
  /// The verifier is the user's, or a decoy.
  [[nodiscard]] std::string first_message(ScramVerifier verifier);
  /// Returns the server's final message. If absent, the client does not know the password. Errors:
  /// malformed.
  [[nodiscard]] Result<std::optional<std::string>> on_client_final(std::string_view message) const;

 private:
  Digest digest_;
  std::string nonce_;
  std::string gs2_header_;
  std::string first_bare_;
  std::string server_first_;
  ScramVerifier verifier_;
};

}  // namespace dohle::auth
