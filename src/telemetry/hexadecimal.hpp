#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace dohle::telemetry {

/// Appends two lower-case hexadecimal digits for each byte.
inline void append_hex(std::string& to, std::span<const std::uint8_t> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  const std::size_t before = to.size();
  to.resize(before + 2 * bytes.size());
  char* at = to.data() + before;
  for (const std::uint8_t byte : bytes) {
    *at++ = digits[byte >> 4];
    *at++ = digits[byte & 15];
  }
}

/// Absent for any other character than 0 to 9 and a to f.
[[nodiscard]] inline std::optional<std::uint8_t> lower_hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
  return std::nullopt;
}

/// The same, and A to F.
[[nodiscard]] inline std::optional<std::uint8_t> hex_digit(char c) {
  return lower_hex_digit(c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c);
}

/// Fills `bytes` from twice as many lower-case digits. False for other text.
[[nodiscard]] inline bool read_lower_hex(std::string_view text, std::span<std::uint8_t> bytes) {
  if (text.size() != 2 * bytes.size()) return false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto high = lower_hex_digit(text[2 * i]);
    const auto low = lower_hex_digit(text[2 * i + 1]);
    if (!high || !low) return false;
    bytes[i] = static_cast<std::uint8_t>(*high << 4 | *low);
  }
  return true;
}

}  // namespace dohle::telemetry
