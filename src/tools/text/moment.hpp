#pragma once

#include <string>
#include <string_view>

#include "dohle/error.hpp"
#include "dohle/ids.hpp"

namespace dohle::tools {

/// Parses a point in time: `-1h` (before `now`), 13 digits (milliseconds since 1970), 10 digits
/// (seconds), or ISO 8601 as `2026-11-24`, `2026-11-24T10:30`, `2026-11-24T10:30:05.250Z` or with
/// `+01:00`; without a zone it is UTC. Errors: configuration, with the text and the allowed forms.
Result<Timestamp> parse_moment(std::string_view text, Timestamp now);

/// "2026-11-24T10:30:05.250Z"; "-" for none.
std::string to_iso(Timestamp time);

}  // namespace dohle::tools
