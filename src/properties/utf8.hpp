#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dohle::properties {

/// Bytes of the sequence that begins with this byte; 0 if none does.
[[nodiscard]] std::size_t sequence_bytes(char first);

/// True if the text is UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text);

/// Appends the code point, which is no surrogate and at most U+10FFFF.
void append_utf8(std::string& text, std::uint32_t code_point);

}  // namespace dohle::properties
