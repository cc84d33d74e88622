#pragma once

#include <cstdint>
#include <string_view>

#include "dohle/error.hpp"
#include "dohle/export.hpp"

namespace dohle {
inline namespace v0 {

/// How a connection is protected, and how the client proves its identity (security.protocol).
enum class SecurityProtocol : std::uint8_t {
  plaintext,       ///< PLAINTEXT: no encryption, no login
  ssl,             ///< SSL: TLS; the client's certificate identifies it, if the server wants one
  sasl_plaintext,  ///< SASL_PLAINTEXT: a SASL login without encryption
  sasl_ssl,        ///< SASL_SSL: a SASL login over TLS
};

/// Kafka's name: "PLAINTEXT", "SSL", "SASL_PLAINTEXT" or "SASL_SSL". Thread safety: any thread.
[[nodiscard]] DOHLE_API std::string_view to_string(SecurityProtocol protocol) noexcept;
/// Parses Kafka's name, in upper or lower case. Errors: configuration, with the allowed names.
/// Thread safety: any thread.
[[nodiscard]] DOHLE_API Result<SecurityProtocol> parse_security_protocol(std::string_view text);

}  // namespace v0
}  // namespace dohle
