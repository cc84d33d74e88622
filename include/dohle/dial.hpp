#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/export.hpp"

namespace dohle {
inline namespace v0 {

/// A connected socket on its way to the library. It closes the descriptor unless release() gave it
/// away.
class DOHLE_API DialedSocket {
 public:
  /// Owns `descriptor`, a connected stream socket of this process.
  explicit DialedSocket(int descriptor) noexcept : descriptor_(descriptor) {}
  DialedSocket(DialedSocket&& other) noexcept : descriptor_(other.release()) {}
  /// First closes what it held.
  DialedSocket& operator=(DialedSocket&& other) noexcept;
  /// Closes the descriptor.
  ~DialedSocket();

  /// The descriptor, which the caller owns from now on. -1 if it was given away before.
  [[nodiscard]] int release() noexcept { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

/// A connection that a DialFunction is to make.
struct DialRequest {
  /// The server's host: a name, or a numeric address without brackets.
  std::string host;
  /// The server's port.
  std::uint16_t port = 0;
  /// The time for this call: all that is left, or a share of at least 2 s if the resolver found
  /// more addresses. Once the time of the whole connection is over, the result is closed and
  /// dropped.
  std::chrono::milliseconds timeout{0};
};

/// Makes one connected stream socket, for instance through a proxy. TLS and logins, if any, are
/// done on it afterwards, and TLS verifies the host that was asked for.
///
/// It may block: it runs on a thread of its own kind, at most 16 calls at a time in one client. It
/// may still run when its client is gone, since nothing waits for it; it must own, or outlive,
/// whatever it uses. An error or an exception is a failed attempt to connect, and is retried.
///
///     options.dial_function = [](const DialRequest& to) -> Result<DialedSocket> {
///       const int socket = connect_through_proxy(to.host, to.port, to.timeout);
///       if (socket < 0) return fail(Error::client(Errc::connection_failed, "the proxy refuses"));
///       return DialedSocket(socket);
///     };
using DialFunction = std::function<Result<DialedSocket>(const DialRequest&)>;

/// The numeric addresses, IPv4 or IPv6 without brackets, of a host: 1 to 64, in the order in which
/// they are tried. Called for every host, also for a numeric one. It may block, and may outlive its
/// client, as a DialFunction. Errc::name_not_resolved that is not retriable says that the host does
/// not exist; any other error or exception is retried.
using ResolveFunction = std::function<Result<std::vector<std::string>>(const std::string& host)>;

}  // namespace v0
}  // namespace dohle
