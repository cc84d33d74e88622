#include "wire/messages/api_versions.hpp"

#include "base/broker_errors.hpp"
#include "wire/frame_body.hpp"
#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(ApiVersionsRequest);
DOHLE_WIRE_INSTANTIATE(ApiVersionsResponse);

Result<ApiVersionsResponse> decode_api_versions_response(const Slice& body, std::int16_t version) {
  const bool is_refusal =
      body.size() >= sizeof(std::int16_t) &&
      load_big_endian<std::int16_t>(body.data()) == broker_error::unsupported_version;
  auto decoded =
      decode_frame_body<ApiVersionsResponse>(body, is_refusal ? std::int16_t{0} : version);
  if (!decoded) return fail(decoded.error());
  return std::move(decoded->message);
}

}  // namespace dohle::wire
