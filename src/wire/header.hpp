#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wire/codec.hpp"

namespace dohle::wire {

/// The header of every request. It has version 1 before a request's flexible versions, and version
/// 2 (with tagged fields, of which none is defined) from them on.
struct RequestHeader {
  ApiKey api_key = ApiKey::none;
  std::int16_t api_version = 0;
  std::int32_t correlation_id = 0;
  std::optional<std::string> client_id;
};

/// A received request without its length prefix: header and body.
struct RequestFrame {
  RequestHeader header;
  Slice body;
};

/// A received response without its length prefix.
struct ResponseFrame {
  std::int32_t correlation_id = 0;
  Slice body;
};

/// 1 or 2. A version above the known ones counts as flexible, so that a server can answer an
/// unknown version of ApiVersions.
[[nodiscard]] std::int16_t request_header_version(const Api& api, std::int16_t api_version);
/// 0 or 1. Always 0 for ApiVersions, so that a client can read the answer before it knows the
/// server's versions (KIP-511).
[[nodiscard]] std::int16_t response_header_version(const Api& api, std::int16_t api_version);

/// Splits a request into header and body. The version may be one that the API does not have; the
/// caller checks it.
/// Errors: Errc::malformed; Errc::unsupported_version for an API key without messages.
[[nodiscard]] Result<RequestFrame> decode_request_header(const Slice& frame);
/// Splits the response to a request of that API and version into correlation id and body.
/// Errors: Errc::malformed.
[[nodiscard]] Result<ResponseFrame> decode_response_header(const Slice& frame, const Api& api,
                                                           std::int16_t api_version);

/// Prefixes that encode_request and encode_response write.
struct RequestPrefix {
  Api api;
  std::int16_t api_version;
  std::int32_t correlation_id;
  std::string_view client_id;
  [[nodiscard]] FramePrefix frame() const;
};
struct ResponsePrefix {
  Api api;
  std::int16_t api_version;
  std::int32_t correlation_id;
  [[nodiscard]] FramePrefix frame() const;
};

/// Encodes a whole request: four bytes of length, header, body.
/// Errors as encode; also Errc::invalid_argument for a client id above max_string_bytes.
template <class M>
[[nodiscard]] Result<Chain> encode_request(std::int32_t correlation_id, std::string_view client_id,
                                           const M& message, std::int16_t version) {
  if (client_id.size() > max_string_bytes) {
    return fail(Error::client(Errc::invalid_argument, "client id is longer than 32767 bytes"));
  }
  const RequestPrefix prefix{M::api, version, correlation_id, client_id};
  return encode_behind(prefix.frame(), message, version);
}

/// Encodes a whole response: four bytes of length, header, body. Errors as encode.
template <class M>
[[nodiscard]] Result<Chain> encode_response(std::int32_t correlation_id, const M& message,
                                            std::int16_t version) {
  const ResponsePrefix prefix{M::api, version, correlation_id};
  return encode_behind(prefix.frame(), message, version);
}

}  // namespace dohle::wire
