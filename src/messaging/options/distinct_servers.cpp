#include "messaging/options/distinct_servers.hpp"

#include <algorithm>

#include "base/addresses.hpp"

namespace dohle::messaging {

std::vector<std::string> distinct_servers(const std::vector<std::string>& addresses) {
  std::vector<std::string> all = addresses;
  if (const auto endpoints = parse_addresses(addresses)) {
    all.clear();
    for (const Endpoint& each : *endpoints) all.push_back(each.to_string());
  }
  std::ranges::sort(all);
  const auto repeats = std::ranges::unique(all);
  all.erase(repeats.begin(), repeats.end());
  return all;
}

}  // namespace dohle::messaging
