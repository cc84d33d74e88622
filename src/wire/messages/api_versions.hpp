#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/slice.hpp"
#include "dohle/error.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct ApiVersionsResponse;

// ApiVersions (18). Lists the server's APIs and their versions. The answer's header always has
// version 0. An unknown version is answered with error 35 in the form of v0 (KIP-511).
//
// v1 throttle time (KIP-124). v2 throttled after the answer (KIP-219). v3 flexible (KIP-482),
// name and version of the client (KIP-511), features (KIP-584). v4 a feature's lowest version
// may be 0 (KAFKA-17011).
struct ApiVersionsRequest {
  using Response = ApiVersionsResponse;
  static constexpr Api api{ApiKey::api_versions, versions(0, 4), flexible_since(3)};

  std::string client_software_name;
  std::string client_software_version;

  static void fields(auto& self, auto& f) {
    f(self.client_software_name, "clientSoftwareName", since(3), ignorable);
    f(self.client_software_version, "clientSoftwareVersion", since(3), ignorable);
  }
};

struct ApiVersionsResponse {
  static constexpr Api api{ApiKey::api_versions, versions(0, 4), flexible_since(3)};

  struct ApiVersion {
    std::int16_t api_key = 0;
    std::int16_t min_version = 0;
    std::int16_t max_version = 0;

    static void fields(auto& self, auto& f) {
      f(self.api_key, "apiKey");
      f(self.min_version, "minVersion");
      f(self.max_version, "maxVersion");
    }
  };

  struct SupportedFeatureKey {
    std::string name;
    std::int16_t min_version = 0;
    std::int16_t max_version = 0;

    static void fields(auto& self, auto& f) {
      f(self.name, "name");
      f(self.min_version, "minVersion");
      f(self.max_version, "maxVersion");
    }
  };

  struct FinalizedFeatureKey {
    std::string name;
    std::int16_t max_version_level = 0;
    std::int16_t min_version_level = 0;

    static void fields(auto& self, auto& f) {
      f(self.name, "name");
      f(self.max_version_level, "maxVersionLevel");
      f(self.min_version_level, "minVersionLevel");
    }
  };

  std::int16_t error_code = 0;
  std::vector<ApiVersion> api_keys;
  std::int32_t throttle_time_ms = 0;
  std::vector<SupportedFeatureKey> supported_features;
  std::int64_t finalized_features_epoch = -1;
  std::vector<FinalizedFeatureKey> finalized_features;
  bool zk_migration_ready = false;

  static void fields(auto& self, auto& f) {
    f(self.error_code, "errorCode");
    f(self.api_keys, "apiKeys");
    f(self.throttle_time_ms, "throttleTimeMs", since(1), ignorable);
    f(self.supported_features, "supportedFeatures", tagged(0, 3), ignorable);
    f(self.finalized_features_epoch, "finalizedFeaturesEpoch", tagged(1, 3), ignorable);
    f(self.finalized_features, "finalizedFeatures", tagged(2, 3), ignorable);
    f(self.zk_migration_ready, "zkMigrationReady", tagged(3, 3), ignorable);
  }
};

/// Decodes the answer to an ApiVersions request of that version. A server that does not know the
/// version answers with error 35 in the form of version 0 (KIP-511).
/// Errors as decode.
[[nodiscard]] Result<ApiVersionsResponse> decode_api_versions_response(const Slice& body,
                                                                       std::int16_t version);

}  // namespace dohle::wire
