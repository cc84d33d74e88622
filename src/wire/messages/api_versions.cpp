#include "wire/messages/api_versions.hpp"

#include "base/broker_errors.hpp"
#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(ApiVersionsRequest);
DOHLE_WIRE_INSTANTIATE(ApiVersionsResponse);

Result<ApiVersionsResponse> decode_api_versions_response(const Slice& body, std::int16_t version) {
  const bool is_refusal =
      body.size() >= sizeof(std::int16_t) &&
      load_big_endian<std::int16_t>(body.data()) == broker_error::unsupported_version;
  return decode<ApiVersionsResponse>(body, is_refusal ? std::int16_t{0} : version);
}

}  // namespace dohle::wire
