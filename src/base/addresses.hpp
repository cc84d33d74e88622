#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/connection.hpp"

namespace dohle {

/// The servers that a client is given: "HOST:PORT" or "[IPv6]:PORT" each, or several in one text,
/// separated by commas. Blanks around an address and empty places between commas are passed over;
/// the schemes kafka:// and PLAINTEXT:// (in any case) may stand in front. The one reading of
/// addresses of the client and of messaging.
/// Errors: configuration, which quotes the address: another scheme (which it names), no port, port
/// 0, a path; none at all; more than 1,000.
[[nodiscard]] Result<std::vector<Endpoint>> parse_addresses(std::span<const std::string> texts);

}  // namespace dohle
