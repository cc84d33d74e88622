#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dohle {

/// Bytes of the character that begins with this byte, by that byte alone; 0 if no character does.
[[nodiscard]] std::size_t sequence_bytes(char first);
/// Bytes of the character at the beginning of the text (RFC 3629): no overlong forms, no
/// surrogates, none above U+10FFFF. 0 if there is none.
[[nodiscard]] std::size_t character_bytes(std::string_view text);
/// True if the text consists of such characters.
[[nodiscard]] bool is_utf8(std::string_view text);

/// The text with U+FFFD in place of each byte that belongs to no such character.
[[nodiscard]] std::string with_valid_utf8(std::string_view text);

/// Appends the code point, which is no surrogate and at most U+10FFFF.
void append_utf8(std::string& text, std::uint32_t code_point);

}  // namespace dohle
