#pragma once

#include <sys/socket.h>

#include <string>
#include <utility>
#include <vector>

#include "base/connection.hpp"
#include "base/descriptor.hpp"

namespace dohle::net {

/// The text of an errno value, without the number.
[[nodiscard]] std::string text_of_errno(int code);

/// An IPv4 or IPv6 address and port.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] int family() const { return storage.ss_family; }
  [[nodiscard]] Endpoint endpoint() const;
};

enum class Lookup : std::uint8_t {
  numeric,  ///< numeric addresses only; does not block
  names,    ///< queries the system's name service, which may block for long
};

/// The addresses of an endpoint, at least one. Errc::name_not_resolved names the endpoint; it is
/// retriable unless the name service answered that the host does not exist.
[[nodiscard]] Result<std::vector<SocketAddress>> addresses_of(const Endpoint& endpoint,
                                                              Lookup lookup);

/// A non-blocking TCP socket with the buffer sizes of `limits`. If the system refuses, it is not
/// open, and errno is set. The sizes apply from the handshake on, so they are set before it.
[[nodiscard]] Descriptor tcp_socket(int family, const ConnectionLimits& limits);

}  // namespace dohle::net
