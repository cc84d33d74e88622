#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/slice.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct SaslAuthenticateResponse;

// SaslAuthenticate (36). One token of the SASL mechanism (KIP-152). With PLAIN it holds the
// password: errors and traces show its size only.
//
// v1 lifetime of the session (KIP-368). v2 flexible (KIP-482).
struct SaslAuthenticateRequest {
  using Response = SaslAuthenticateResponse;
  static constexpr Api api{ApiKey::sasl_authenticate, versions(0, 2), flexible_since(2)};

  Slice auth_bytes;

  static void fields(auto& self, auto& f) { f(self.auth_bytes, "authBytes"); }
};

struct SaslAuthenticateResponse {
  static constexpr Api api{ApiKey::sasl_authenticate, versions(0, 2), flexible_since(2)};

  std::int16_t error_code = 0;
  std::optional<std::string> error_message = std::string{};
  Slice auth_bytes;
  /// 0: the session does not end.
  std::int64_t session_lifetime_ms = 0;

  static void fields(auto& self, auto& f) {
    f(self.error_code, "errorCode");
    f(self.error_message, "errorMessage");
    f(self.auth_bytes, "authBytes");
    f(self.session_lifetime_ms, "sessionLifetimeMs", since(1), ignorable);
  }
};

}  // namespace dohle::wire
