#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "dohle/error.hpp"
#include "wire/api.hpp"
#include "wire/messages/api_versions.hpp"

namespace dohle::client {

/// The highest version that this client sends of an API, where that is below what it can encode:
/// Produce names topics by id from 13 on, OffsetCommit and OffsetFetch from 10 on, and the client
/// names them by name. Of Fetch see also highest_version.
[[nodiscard]] std::int16_t highest_sent(const wire::Api& api);

/// Which versions one server speaks, as it said on one connection.
class VersionTable {
 public:
  void assign(const std::vector<wire::ApiVersionsResponse::ApiVersion>& spoken);

  /// The highest version that both sides speak.
  /// Errors: unsupported_version, naming the API and both ranges.
  [[nodiscard]] Result<std::int16_t> pick(const wire::Api& api) const;

 private:
  std::map<std::int16_t, wire::VersionRange> spoken_;
};

}  // namespace dohle::client
