#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "base/time.hpp"

namespace dohle::net {

/// The least share of one address, unless less time is left: enough for a second SYN, which Linux
/// sends after 1 s.
inline constexpr Duration min_address_share = std::chrono::seconds(2);

/// How long the next address of a host is tried, of `addresses` that were not tried yet (at least
/// 1): an equal share of `left`, but at least min_address_share, taken from the last ones. As
/// partialDeadline in Go's net package.
[[nodiscard]] constexpr Duration address_share(Duration left, std::size_t addresses) {
  const Duration equal = left / static_cast<Duration::rep>(addresses);
  return std::min(left, std::max(equal, min_address_share));
}

}  // namespace dohle::net
