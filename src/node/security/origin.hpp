#pragma once

#include <string>
#include <string_view>

namespace dohle::node {

/// The part of a client's address that one client has for itself, by which clients take turns: an
/// IPv4 address, or the first 64 bits of an IPv6 address, since a host has as many of the others as
/// it likes. `peer` is as Connection::peer has it; a text without an address stands for itself.
[[nodiscard]] std::string origin_of(std::string_view peer);

}  // namespace dohle::node
