#include "wire/header.hpp"

#include <cstring>

#include "wire/big_endian.hpp"
#include "wire/decoding.hpp"

namespace dohle::wire {

namespace {

constexpr std::size_t frame_length_bytes = 4;

/// Skips the tagged fields of a header, of which none is defined.
void skip_tags(field::WireReader& reader) {
  for (field::TagCursor cursor(reader); cursor.next();) reader.skip(cursor.size());
}

Error malformed_header(std::string_view which, const field::WireReader& reader) {
  return Error::client(Errc::malformed, "malformed " + std::string(which) + " header at byte " +
                                            std::to_string(reader.position()) + ": " +
                                            std::string(reader.what()));
}

void write_request_prefix(const void* from, std::byte* to, std::size_t bytes_after) {
  const auto& prefix = *static_cast<const RequestPrefix*>(from);
  const std::size_t size = prefix.frame().size;
  store_big_endian(to, static_cast<std::int32_t>(size - frame_length_bytes + bytes_after));
  store_big_endian(to + 4, static_cast<std::int16_t>(prefix.api.key));
  store_big_endian(to + 6, prefix.api_version);
  store_big_endian(to + 8, prefix.correlation_id);
  store_big_endian(to + 12, static_cast<std::int16_t>(prefix.client_id.size()));
  if (!prefix.client_id.empty()) {
    std::memcpy(to + 14, prefix.client_id.data(), prefix.client_id.size());
  }
  if (request_header_version(prefix.api, prefix.api_version) >= 2) to[size - 1] = std::byte{0};
}

void write_response_prefix(const void* from, std::byte* to, std::size_t bytes_after) {
  const auto& prefix = *static_cast<const ResponsePrefix*>(from);
  const std::size_t size = prefix.frame().size;
  store_big_endian(to, static_cast<std::int32_t>(size - frame_length_bytes + bytes_after));
  store_big_endian(to + 4, prefix.correlation_id);
  if (response_header_version(prefix.api, prefix.api_version) >= 1) to[size - 1] = std::byte{0};
}

}  // namespace

std::int16_t request_header_version(const Api& api, std::int16_t api_version) {
  return api.is_flexible(api_version) ? 2 : 1;
}

std::int16_t response_header_version(const Api& api, std::int16_t api_version) {
  if (api.key == ApiKey::api_versions) return 0;
  return api.is_flexible(api_version) ? 1 : 0;
}

FramePrefix RequestPrefix::frame() const {
  const std::size_t tags = request_header_version(api, api_version) >= 2 ? 1 : 0;
  return {frame_length_bytes + 10 + client_id.size() + tags, write_request_prefix, this};
}

FramePrefix ResponsePrefix::frame() const {
  const std::size_t tags = response_header_version(api, api_version) >= 1 ? 1 : 0;
  return {frame_length_bytes + 4 + tags, write_response_prefix, this};
}

Result<RequestFrame> decode_request_header(const Slice& frame) {
  field::WireReader reader(frame, 1, false, SIZE_MAX);
  RequestFrame request;
  RequestHeader& header = request.header;
  header.api_key = ApiKey{reader.integer<std::int16_t>()};
  header.api_version = reader.integer<std::int16_t>();
  header.correlation_id = reader.integer<std::int32_t>();
  if (reader.failed()) return fail(malformed_header("request", reader));
  const Api* api = find_api(header.api_key);
  if (api == nullptr) {
    const auto key = std::to_string(static_cast<std::int16_t>(header.api_key));
    return fail(Error::client(Errc::unsupported_version, "request of unknown API key " + key));
  }
  reader.value(header.client_id, FieldSpec{});
  if (!reader.failed() && request_header_version(*api, header.api_version) >= 2) skip_tags(reader);
  if (reader.failed()) return fail(malformed_header("request", reader));
  request.body = frame.sub(reader.position());
  return request;
}

Result<ResponseFrame> decode_response_header(const Slice& frame, const Api& api,
                                             std::int16_t api_version) {
  field::WireReader reader(frame, 0, false, SIZE_MAX);
  ResponseFrame response;
  response.correlation_id = reader.integer<std::int32_t>();
  if (!reader.failed() && response_header_version(api, api_version) >= 1) skip_tags(reader);
  if (reader.failed()) return fail(malformed_header("response", reader));
  response.body = frame.sub(reader.position());
  return response;
}

}  // namespace dohle::wire
