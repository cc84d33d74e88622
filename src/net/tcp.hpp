#pragma once

#include <memory>

#include "base/connection.hpp"
#include "base/transport.hpp"
#include "dohle/logger.hpp"
#include "net/loop.hpp"

namespace dohle::net {

/// Connects over TCP (without delay, as RFC 896 would have it). Names are resolved on a thread of
/// Asio's. The loop has to outlive it and its connections. Loop thread only.
class TcpDialer final : public Dialer {
 public:
  explicit TcpDialer(Loop& loop) : loop_(&loop) {}
  std::unique_ptr<Connection> dial(const Endpoint& to, const DialOptions& options,
                                   ConnectionEvents& events) override;

 private:
  Loop* loop_;
};

/// Listens on TCP addresses. `listen` takes numeric addresses and "localhost". While the process
/// has no descriptor left, a spare one is used to accept and close, so that clients are told. The
/// loop has to outlive it and its listeners. Loop thread only.
class TcpListening final : public Listening {
 public:
  explicit TcpListening(Loop& loop, std::shared_ptr<Logger> logger = silent_logger())
      : loop_(&loop), logger_(std::move(logger)) {}
  Result<std::unique_ptr<Listener>> listen(const Endpoint& at, const ConnectionLimits& limits,
                                           Acceptor& acceptor) override;

 private:
  Loop* loop_;
  std::shared_ptr<Logger> logger_;
};

}  // namespace dohle::net
