#pragma once

#include <string>
#include <vector>

namespace dohle::messaging {

/// The servers that these addresses name, as HOST:PORT, sorted, each of them once. The result is
/// equal for the same servers, however their addresses are written. If an address is of another
/// form, such as an embedded one, it has the texts themselves.
[[nodiscard]] std::vector<std::string> distinct_servers(const std::vector<std::string>& addresses);

}  // namespace dohle::messaging
