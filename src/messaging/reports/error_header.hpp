#pragma once

#include <cstddef>
#include <string_view>

#include "dohle/error.hpp"

namespace dohle::messaging {

/// The most bytes of an error's message in a header, so that a record with it stays small.
inline constexpr std::size_t max_error_bytes = 1'000;

/// The beginning of the error's message, up to max_error_bytes, without a part of a UTF-8
/// character at its end. Valid while `why` lives.
[[nodiscard]] inline std::string_view message_for_header(const Error& why) {
  const std::string_view text = why.message();
  if (text.size() <= max_error_bytes) return text;
  std::size_t most = max_error_bytes;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  return text.substr(0, most);
}

}  // namespace dohle::messaging
