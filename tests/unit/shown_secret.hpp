#pragma once

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/base64.hpp"

namespace dohle {

[[nodiscard]] inline std::string hex_text(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += digits[static_cast<std::uint8_t>(c) >> 4];
    text += digits[static_cast<std::uint8_t>(c) & 15];
  }
  return text;
}

/// Base64 of whole groups of three bytes; the rest is left out.
[[nodiscard]] inline std::string base64_text(std::string_view bytes) {
  return to_base64(bytes.substr(0, bytes.size() / 3 * 3));
}

/// "clear", "base64" or "hex" if the text contains the secret in that form, also within a longer
/// encoded value; empty if it does not. The secret has at least 8 bytes.
[[nodiscard]] inline std::string shown_secret(std::string_view text, std::string_view secret) {
  if (text.contains(secret)) return "clear";
  for (std::size_t skipped = 0; skipped < 3; ++skipped) {
    if (text.contains(base64_text(secret.substr(skipped)))) return "base64";
  }
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower.contains(hex_text(secret)) ? "hex" : "";
}

}  // namespace dohle
