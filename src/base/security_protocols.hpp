#pragma once

#include "dohle/security_protocol.hpp"

namespace dohle {

[[nodiscard]] constexpr bool has_tls(SecurityProtocol protocol) {
  return protocol == SecurityProtocol::ssl || protocol == SecurityProtocol::sasl_ssl;
}

[[nodiscard]] constexpr bool has_sasl(SecurityProtocol protocol) {
  return protocol == SecurityProtocol::sasl_plaintext || protocol == SecurityProtocol::sasl_ssl;
}

}  // namespace dohle
