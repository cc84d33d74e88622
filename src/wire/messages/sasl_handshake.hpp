#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct SaslHandshakeResponse;

// SaslHandshake (17). Chooses the SASL mechanism of a connection (KIP-43).
//
// v0: the tokens follow as frames without headers. v1: they follow in SaslAuthenticate (KIP-152).
// There is no flexible version: old clients could not negotiate it (KAFKA-9577).
struct SaslHandshakeRequest {
  using Response = SaslHandshakeResponse;
  static constexpr Api api{ApiKey::sasl_handshake, versions(0, 1), never_flexible};

  std::string mechanism;

  static void fields(auto& self, auto& f) { f(self.mechanism, "mechanism"); }
};

struct SaslHandshakeResponse {
  static constexpr Api api{ApiKey::sasl_handshake, versions(0, 1), never_flexible};

  std::int16_t error_code = 0;
  std::vector<std::string> mechanisms;

  static void fields(auto& self, auto& f) {
    f(self.error_code, "errorCode");
    f(self.mechanisms, "mechanisms");
  }
};

}  // namespace dohle::wire
