#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dohle/export.hpp"
#include "dohle/secret.hpp"

namespace dohle {
inline namespace v0 {

/// The way in which a client proves its identity to a server.
enum class SaslMechanism : std::uint8_t {
  plain,          ///< PLAIN (RFC 4616) sends the password itself; use it over TLS only
  scram_sha_256,  ///< SCRAM-SHA-256 (RFC 5802, RFC 7677); the password is never sent
  scram_sha_512,  ///< SCRAM-SHA-512
};

/// The mechanism's name in the protocol: "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512".
[[nodiscard]] DOHLE_API std::string_view to_string(SaslMechanism mechanism) noexcept;

/// A client's login. Servers that require a login refuse every other request before it.
struct SaslOptions {
  /// Default: scram_sha_512.
  SaslMechanism mechanism = SaslMechanism::scram_sha_512;
  /// Default: none. 1 to 1,024 bytes of UTF-8 without control characters. Sent as given, without
  /// SASLprep, as Apache Kafka, librdkafka and franz-go do.
  std::string username = {};
  /// Default: none. Up to 1,024 bytes of UTF-8 without NUL. Used as given, like the name.
  Secret password = {};

  friend bool operator==(const SaslOptions&, const SaslOptions&) = default;
};

}  // namespace v0
}  // namespace dohle
