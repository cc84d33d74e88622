#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/slice.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

/// The numbers of the SCRAM mechanisms in DescribeUserScramCredentials and
/// AlterUserScramCredentials (KIP-554).
inline constexpr std::int8_t scram_sha_256_number = 1, scram_sha_512_number = 2;

struct AlterUserScramCredentialsResponse;

// AlterUserScramCredentials (51). Sets and deletes SCRAM users (KIP-554). A salted password is as
// good as the password: errors and traces show its size only.
struct AlterUserScramCredentialsRequest {
  using Response = AlterUserScramCredentialsResponse;
  static constexpr Api api{ApiKey::alter_user_scram_credentials, versions(0, 0), flexible_since(0)};

  struct ScramCredentialDeletion {
    std::string name;
    std::int8_t mechanism = 0;

    static void fields(auto& self, auto& f) {
      f(self.name, "name");
      f(self.mechanism, "mechanism");
    }
  };

  struct ScramCredentialUpsertion {
    std::string name;
    std::int8_t mechanism = 0;
    std::int32_t iterations = 0;
    Slice salt;
    Slice salted_password;

    static void fields(auto& self, auto& f) {
      f(self.name, "name");
      f(self.mechanism, "mechanism");
      f(self.iterations, "iterations");
      f(self.salt, "salt");
      f(self.salted_password, "saltedPassword");
    }
  };

  std::vector<ScramCredentialDeletion> deletions;
  std::vector<ScramCredentialUpsertion> upsertions;

  static void fields(auto& self, auto& f) {
    f(self.deletions, "deletions");
    f(self.upsertions, "upsertions");
  }
};

struct AlterUserScramCredentialsResponse {
  static constexpr Api api{ApiKey::alter_user_scram_credentials, versions(0, 0), flexible_since(0)};

  struct AlterUserScramCredentialsResult {
    std::string user;
    std::int16_t error_code = 0;
    std::optional<std::string> error_message = std::string{};

    static void fields(auto& self, auto& f) {
      f(self.user, "user");
      f(self.error_code, "errorCode");
      f(self.error_message, "errorMessage");
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<AlterUserScramCredentialsResult> results;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs");
    f(self.results, "results");
  }
};

}  // namespace dohle::wire
