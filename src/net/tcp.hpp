#pragma once

#include <memory>
#include <optional>

#include "base/stream_dialer.hpp"
#include "base/stream_listening.hpp"
#include "dohle/logger.hpp"
#include "net/connect_settings.hpp"
#include "net/loop.hpp"

namespace dohle::net {

class FollowedContext;
class HelloDoubts;

/// TLS above the streams of a dialer. Both outlive the dialer.
struct DialedTls {
  FollowedContext& context;
  /// Run the steps of handshakes.
  Workers& workers;
};

/// Connects over TCP, without Nagle's delay. Names are resolved, and a user's functions called, on
/// other threads; without a user's functions numeric addresses are not looked up. With `tls` a
/// stream opens after its handshake, in which the dialed host is verified; it never falls back to
/// plain TCP. The loop has to outlive it and its streams. Loop thread only, or before the loop
/// runs.
class TcpDialer final : public StreamDialer {
 public:
  explicit TcpDialer(Loop& loop, std::optional<DialedTls> tls = {}, ConnectSettings settings = {});
  ~TcpDialer() override;
  TcpDialer(const TcpDialer&) = delete;
  TcpDialer& operator=(const TcpDialer&) = delete;

  /// Fails with Errc::name_not_resolved, Errc::connection_failed or Errc::handshake_failed.
  void dial(const Endpoint& to, const DialOptions& options,
            const std::shared_ptr<StreamOwner>& owner) override;

 private:
  Loop* loop_;
  std::optional<DialedTls> tls_;
  /// Shared with the threads of the resolver, which may outlive the dialer.
  std::shared_ptr<const ConnectSettings> settings_;
  std::shared_ptr<HelloDoubts> doubts_;
  std::unique_ptr<Resolver> resolver_;
};

/// Listens on TCP addresses. `listen` takes numeric addresses and "localhost" (127.0.0.1). Port 0
/// lets the system pick. Up to 1,024 connections wait to be accepted. While the process has no
/// descriptor left, a spare one is used to accept and close connections, so that clients see the
/// refusal; this is logged at most once in 10 s. The loop has to outlive it and its listeners. Loop
/// thread only, or before the loop runs.
class TcpListening final : public StreamListening {
 public:
  explicit TcpListening(Loop& loop, std::shared_ptr<Logger> logger = silent_logger())
      : loop_(&loop), logger_(std::move(logger)) {}
  Result<std::unique_ptr<Listener>> listen(const Endpoint& at, const ConnectionLimits& limits,
                                           std::shared_ptr<StreamAcceptor> acceptor) override;

 private:
  Loop* loop_;
  std::shared_ptr<Logger> logger_;
};

}  // namespace dohle::net
