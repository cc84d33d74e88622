#include "frames/frame_prefix.hpp"

#include <string>
#include <string_view>

namespace dohle::frames {

namespace {

/// The protocol of a peer that does not speak Kafka's, by its first four bytes. Empty if unknown.
std::string_view other_protocol(std::uint32_t prefix) {
  constexpr auto of = [](const char(&text)[5]) {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(text[i]);
    return value;
  };
  constexpr std::uint32_t tls_alert = 0x1503, tls_handshake = 0x1603;
  for (const std::uint32_t word : {of("HTTP"), of("GET "), of("HEAD"), of("POST"), of("PUT ")}) {
    if (prefix == word) return "HTTP";
  }
  return prefix >> 16 == tls_alert || prefix >> 16 == tls_handshake ? "TLS" : "";
}

Error too_large(std::uint32_t length, std::size_t max_bytes) {
  const std::string_view protocol = other_protocol(length);
  if (protocol == "TLS") return Error::auth(Errc::handshake_failed, "the other side speaks TLS");
  if (!protocol.empty()) {
    return Error::client(Errc::too_large, "the other side speaks " + std::string(protocol));
  }
  return Error::client(Errc::too_large, "a frame of " + std::to_string(length) +
                                            " bytes; the limit is " + std::to_string(max_bytes));
}

}  // namespace

Result<std::size_t> check_frame_length(std::uint32_t length, std::size_t max_bytes) {
  if (length > INT32_MAX) {
    return fail(Error::client(Errc::malformed, "a frame with a negative length"));
  }
  if (length > max_bytes) {
    return fail(too_large(length, max_bytes));
  }
  return length;
}

}  // namespace dohle::frames
