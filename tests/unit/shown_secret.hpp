#pragma once

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <string>
#include <string_view>

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
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t at = 0; at + 3 <= bytes.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i)
      group = group << 8 | static_cast<std::uint8_t>(bytes[at + i]);
    for (int shift = 18; shift >= 0; shift -= 6) text += digits[group >> shift & 63];
  }
  return text;
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
