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

/// A connected socket that a DialFunction hands to the library. Owns the descriptor, and closes it
/// unless release() was called. Move-only. Not thread safe.
class DOHLE_API DialedSocket {
 public:
  /// Takes ownership of `descriptor`, a connected stream socket of this process.
  explicit DialedSocket(int descriptor) noexcept : descriptor_(descriptor) {}
  DialedSocket(DialedSocket&& other) noexcept : descriptor_(other.release()) {}
  /// First closes the descriptor that it held.
  DialedSocket& operator=(DialedSocket&& other) noexcept;
  /// Closes the descriptor.
  ~DialedSocket();

  /// Returns the descriptor and passes its ownership to the caller. -1 if it was released before.
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
  /// The time for this call: all of the remaining time, or a share of at least 2 s if the resolver
  /// found more addresses. If the whole connection runs out of time, the result of the call is
  /// closed and dropped.
  std::chrono::milliseconds timeout{0};
};

/// Makes one connected stream socket, for example through a proxy. TLS and the login, if any, run
/// on it afterwards. TLS verifies the requested host.
///
/// It may block. It runs on threads that the client keeps for such calls, at most 16 calls at a
/// time. A call may still run after its client has ended, because nothing waits for it. So the
/// function must own everything that it uses, or use only objects that outlive it. An error or an
/// exception is a failed attempt to connect, and is retried.
///
///     options.dial_function = [](const DialRequest& to) -> Result<DialedSocket> {
///       const int socket = connect_through_proxy(to.host, to.port, to.timeout);
///       if (socket < 0) return fail(Error::client(Errc::connection_failed, "the proxy refuses"));
///       return DialedSocket(socket);
///     };
using DialFunction = std::function<Result<DialedSocket>(const DialRequest&)>;

/// Returns the numeric addresses of a host, IPv4 or IPv6 without brackets: 1 to 64, in the order in
/// which they are tried. Called for every host, also for a numeric one. It may block, and a call
/// may outlive its client, as with a DialFunction. An Errc::name_not_resolved that is not retriable
/// means that the host does not exist. Any other error or exception is retried.
using ResolveFunction = std::function<Result<std::vector<std::string>>(const std::string& host)>;

}  // namespace v0
}  // namespace dohle
