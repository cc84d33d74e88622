#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "dohle/logger.hpp"

namespace dohle {

/// True if the text is valid UTF-8 without control characters.
[[nodiscard]] bool is_printable(std::string_view text);

/// The text in a form that is safe for a log line or a terminal: control characters (C0, DEL, C1)
/// and bytes that are not UTF-8 become \n, \r, \t or \xNN. The result is printable, and a second
/// pass changes nothing. A backslash stays as it is.
[[nodiscard]] std::string printable(std::string_view text);

/// Passes each line on as printable text, since it may contain foreign names and messages.
/// Lifetime: shares the logger. Thread safety: that of the logger.
[[nodiscard]] std::shared_ptr<Logger> printing_logger(std::shared_ptr<Logger> logger);

}  // namespace dohle
