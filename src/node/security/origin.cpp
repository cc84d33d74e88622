#include "node/security/origin.hpp"

#include <arpa/inet.h>

#include <cstddef>

#include "base/connection.hpp"

namespace dohle::node {

std::string origin_of(std::string_view peer) {
  const auto at = Endpoint::parse(peer);
  if (!at) return std::string(peer);
  in6_addr address{};
  if (::inet_pton(AF_INET6, at->host.c_str(), &address) != 1) return at->host;
  const std::string octets(reinterpret_cast<const char*>(address.s6_addr), sizeof(address.s6_addr));
  constexpr std::size_t network_octets = 8, mapped_octets = 12;
  // An IPv4 client of an IPv6 socket.
  return IN6_IS_ADDR_V4MAPPED(&address) ? octets.substr(mapped_octets)
                                        : octets.substr(0, network_octets);
}

}  // namespace dohle::node
