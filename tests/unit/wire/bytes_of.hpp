#pragma once

#include <string>
#include <string_view>

#include "base/slice.hpp"

namespace dohle::wire {

/// Bytes from pairs of hexadecimal digits. Blanks between pairs are ignored.
[[nodiscard]] inline Slice bytes_of(std::string_view hex) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string bytes;
  for (std::size_t at = 0; at + 1 < hex.size();) {
    if (hex[at] == ' ') {
      ++at;
      continue;
    }
    bytes += static_cast<char>(digits.find(hex[at]) << 4 | digits.find(hex[at + 1]));
    at += 2;
  }
  return Slice::copy_of(bytes);
}

[[nodiscard]] inline std::string hex_of(Bytes bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::byte b : bytes) {
    text += digits[static_cast<std::size_t>(b) >> 4];
    text += digits[static_cast<std::size_t>(b) & 15];
  }
  return text;
}

}  // namespace dohle::wire
