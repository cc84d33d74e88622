#include "net/socket.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <system_error>

#include "base/assert.hpp"

namespace dohle::net {

std::string text_of_errno(int code) {
  return std::generic_category().message(code);
}

Endpoint SocketAddress::endpoint() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (family() == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    return {text.data(), ntohs(v6.sin6_port)};
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
  ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
  return {text.data(), ntohs(v4.sin_port)};
}

Result<std::vector<SocketAddress>> addresses_of(const Endpoint& endpoint, Lookup lookup) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (lookup == Lookup::numeric ? AI_NUMERICHOST : AI_ADDRCONFIG);
  addrinfo* found = nullptr;
  const int code =
      ::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found);
  if (code != 0) {
    const std::string why = code == EAI_SYSTEM ? text_of_errno(errno) : ::gai_strerror(code);
    const Error error = Error::client(
        Errc::name_not_resolved, "host name \"" + endpoint.host + "\" does not resolve: " + why);
    return fail(error.with_retriable(code != EAI_NONAME));
  }
  std::vector<SocketAddress> addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    SocketAddress& address = addresses.emplace_back();
    DOHLE_ASSERT(entry->ai_addrlen <= sizeof address.storage,
                 "an address is larger than its storage");
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.size = entry->ai_addrlen;
  }
  ::freeaddrinfo(found);
  return addresses;
}

Descriptor tcp_socket(int family, const ConnectionLimits& limits) {
  Descriptor socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  const auto set_size = [&](int name, int bytes) {
    // Errors are ignored: the system rounds and caps the size.
    if (bytes > 0) ::setsockopt(socket.number(), SOL_SOCKET, name, &bytes, sizeof bytes);
  };
  if (socket.is_open()) {
    set_size(SO_SNDBUF, limits.send_buffer_bytes);
    set_size(SO_RCVBUF, limits.receive_buffer_bytes);
  }
  return socket;
}

}  // namespace dohle::net
