#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dohle::tools {

/// Standard base64 with padding (RFC 4648, section 4).
std::string to_base64(std::string_view bytes);

/// Decodes the text that to_base64 writes. Absent for any other text, including one with bits set
/// in the padding.
std::optional<std::string> from_base64(std::string_view text);

/// True for valid UTF-8 (RFC 3629: shortest forms only, no surrogates).
bool is_utf8(std::string_view bytes);

}  // namespace dohle::tools
