#include "base/utf8.hpp"

namespace dohle {

std::size_t sequence_bytes(char first) {
  const auto byte = static_cast<unsigned char>(first);
  if (byte < 0x80) return 1;
  if (byte < 0xc0) return 0;
  if (byte < 0xe0) return 2;
  if (byte < 0xf0) return 3;
  return byte < 0xf8 ? 4 : 0;
}

std::size_t character_bytes(std::string_view text) {
  const std::size_t bytes = text.empty() ? 0 : sequence_bytes(text.front());
  if (bytes == 0 || text.size() < bytes) return 0;
  const auto first = static_cast<unsigned char>(text[0]);
  std::uint32_t code_point = bytes == 1 ? first : first & (0x7fU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0U) != 0x80) return 0;
    code_point = code_point << 6 | (next & 0x3fU);
  }
  constexpr std::uint32_t first_of_size[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
  const bool is_valid =
      code_point >= first_of_size[bytes] && code_point <= 0x10ffff && !is_surrogate;
  return is_valid ? bytes : 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

std::string with_valid_utf8(std::string_view text) {
  constexpr std::uint32_t replacement = 0xfffd;
  std::string valid;
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    if (bytes == 0) {
      append_utf8(valid, replacement);
    } else {
      valid += text.substr(0, bytes);
    }
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  return valid;
}

void append_utf8(std::string& text, std::uint32_t code_point) {
  const auto tail = [&](int shift) {
    text += static_cast<char>(0x80U | (code_point >> shift & 0x3fU));
  };
  if (code_point < 0x80) {
    text += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    text += static_cast<char>(0xc0U | code_point >> 6);
    tail(0);
  } else if (code_point < 0x10000) {
    text += static_cast<char>(0xe0U | code_point >> 12);
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xf0U | code_point >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace dohle
