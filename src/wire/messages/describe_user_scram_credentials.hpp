#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct DescribeUserScramCredentialsResponse;

// DescribeUserScramCredentials (50). Lists SCRAM users with mechanism and iterations, without their
// keys (KIP-554). Mechanisms: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
struct DescribeUserScramCredentialsRequest {
  using Response = DescribeUserScramCredentialsResponse;
  static constexpr Api api{ApiKey::describe_user_scram_credentials, versions(0, 0),
                           flexible_since(0)};

  struct UserName {
    std::string name;

    static void fields(auto& self, auto& f) { f(self.name, "name"); }
  };

  /// Null or empty: all users.
  std::optional<std::vector<UserName>> users = std::vector<UserName>{};

  static void fields(auto& self, auto& f) { f(self.users, "users"); }
};

struct DescribeUserScramCredentialsResponse {
  static constexpr Api api{ApiKey::describe_user_scram_credentials, versions(0, 0),
                           flexible_since(0)};

  struct CredentialInfo {
    std::int8_t mechanism = 0;
    std::int32_t iterations = 0;

    static void fields(auto& self, auto& f) {
      f(self.mechanism, "mechanism");
      f(self.iterations, "iterations");
    }
  };

  struct DescribeUserScramCredentialsResult {
    std::string user;
    std::int16_t error_code = 0;
    std::optional<std::string> error_message = std::string{};
    std::vector<CredentialInfo> credential_infos;

    static void fields(auto& self, auto& f) {
      f(self.user, "user");
      f(self.error_code, "errorCode");
      f(self.error_message, "errorMessage");
      f(self.credential_infos, "credentialInfos");
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::optional<std::string> error_message = std::string{};
  std::vector<DescribeUserScramCredentialsResult> results;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs");
    f(self.error_code, "errorCode");
    f(self.error_message, "errorMessage");
    f(self.results, "results");
  }
};

}  // namespace dohle::wire
