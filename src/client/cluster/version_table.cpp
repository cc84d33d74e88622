#include "client/cluster/version_table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dohle::client {

std::int16_t highest_sent(const wire::Api& api) {
  constexpr std::int16_t last_produce_by_name = 12;
  // Later versions only concern followers.
  constexpr std::int16_t last_fetch_of_consumers = 16;
  constexpr std::int16_t last_offsets_by_name = 9;
  switch (api.key) {
    case wire::ApiKey::produce:
      return std::min(api.versions.max, last_produce_by_name);
    case wire::ApiKey::fetch:
      return std::min(api.versions.max, last_fetch_of_consumers);
    case wire::ApiKey::offset_commit:
    case wire::ApiKey::offset_fetch:
      return std::min(api.versions.max, last_offsets_by_name);
    default:
      return api.versions.max;
  }
}

void VersionTable::assign(const std::vector<wire::ApiVersionsResponse::ApiVersion>& spoken) {
  spoken_.clear();
  for (const auto& api : spoken) spoken_[api.api_key] = {api.min_version, api.max_version};
}

Result<std::int16_t> VersionTable::pick(const wire::Api& api, std::int16_t most) const {
  const auto found = spoken_.find(static_cast<std::int16_t>(api.key));
  if (found == spoken_.end()) {
    return fail(Error::client(Errc::unsupported_version,
                              fmt::format("the server has no {}", wire::api_name(api.key))));
  }
  const wire::VersionRange server = found->second;
  const std::int16_t highest = std::min(highest_sent(api), most);
  const std::int16_t version = std::min(server.max, highest);
  if (version >= server.min && version >= api.versions.min) return version;
  return fail(Error::client(
      Errc::unsupported_version,
      fmt::format("{}: the server speaks versions {} to {}, this client {} to {}",
                  wire::api_name(api.key), server.min, server.max, api.versions.min, highest)));
}

}  // namespace dohle::client
