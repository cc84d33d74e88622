#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dohle {

/// Standard base64 with padding (RFC 4648, section 4).
[[nodiscard]] std::string to_base64(std::string_view bytes);
/// Decodes the text that to_base64 writes. Absent for any other text: other characters, a wrong
/// length, or bits after the last byte that are not zero.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace dohle
