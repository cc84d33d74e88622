#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/connection.hpp"

namespace dohle {

/// Parses server addresses, for the client and for messaging: "HOST:PORT", "[IPv6]:PORT", or
/// without a port, which is then 9092; several in one text are separated by commas. Blanks around
/// an address and empty parts between commas are ignored. The prefixes kafka:// and PLAINTEXT://
/// (in any case) are allowed. Errors: configuration, which quotes the address: another scheme (with
/// its name), port 0, a path; no address; more than 1,000.
[[nodiscard]] Result<std::vector<Endpoint>> parse_addresses(std::span<const std::string> texts);

}  // namespace dohle
