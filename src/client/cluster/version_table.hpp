#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "dohle/error.hpp"
#include "wire/api.hpp"
#include "wire/messages/api_versions.hpp"

namespace dohle::client {

/// The highest version of an API that this client sends. It can encode higher ones: Produce from 13
/// on and OffsetCommit and OffsetFetch from 10 on name topics by id, while the client uses names.
/// For Fetch see also highest_version.
[[nodiscard]] std::int16_t highest_sent(const wire::Api& api);

/// The versions that one server announced on one connection.
class VersionTable {
 public:
  void assign(const std::vector<wire::ApiVersionsResponse::ApiVersion>& spoken);

  /// The highest version that both sides support, and not above `most`.
  /// Errors: unsupported_version, naming the API and both ranges.
  [[nodiscard]] Result<std::int16_t> pick(const wire::Api& api,
                                          std::int16_t most = INT16_MAX) const;

 private:
  std::map<std::int16_t, wire::VersionRange> spoken_;
};

}  // namespace dohle::client
