#pragma once

#include <chrono>
#include <optional>

#include "base/connection.hpp"
#include "dohle/dial.hpp"
#include "net/resolver.hpp"
#include "net/socket.hpp"

namespace dohle::net {

/// How a TcpDialer finds addresses and creates sockets. The defaults are the system's.
struct ConnectSettings {
  DialFunction dial_function = nullptr;
  ResolveFunction resolver = nullptr;
  /// Port 0.
  std::optional<SocketAddress> local_address = {};
  /// If absent, all addresses are tried one after the other.
  std::optional<std::chrono::milliseconds> fallback_delay = std::chrono::milliseconds(300);
  /// If absent, the system's times; if negative, off.
  std::optional<std::chrono::milliseconds> keep_alive = {};

  [[nodiscard]] bool asks_user() const { return dial_function || resolver; }
};

/// Most addresses that a user's resolver may give for a host.
inline constexpr std::size_t max_resolved_addresses = 64;

/// Calls the user's functions, which may block, and checks their results. Their errors and
/// exceptions become Errc::name_not_resolved or Errc::connection_failed.
[[nodiscard]] NameQuery::Answer ask_user(const ConnectSettings& settings, const Endpoint& to,
                                         std::chrono::milliseconds timeout);

}  // namespace dohle::net
