#pragma once

#include <memory>

#include "base/stream_listening.hpp"
#include "dohle/logger.hpp"
#include "net/loop.hpp"
#include "net/tls/handshake_turns.hpp"
#include "net/tls/tls_context.hpp"

namespace dohle::net {

/// The context and the turns with which a TLS listener's streams begin.
struct TlsServing {
  TlsContext context;
  HandshakeTurns& turns;
};

/// As TcpListening, with TLS over TCP. A stream opens once its handshake is done, within 10 s from
/// its accept; a failed handshake is `on_lost`, in words. The steps of handshakes take their turns
/// with workers. The loop and the turns outlive it, its listeners and their streams. Loop thread
/// only, or before the loop runs.
class TlsListening final : public StreamListening {
 public:
  TlsListening(Loop& loop, HandshakeTurns& turns, TlsContext context,
               std::shared_ptr<Logger> logger = silent_logger());
  Result<std::unique_ptr<Listener>> listen(const Endpoint& at, const ConnectionLimits& limits,
                                           std::shared_ptr<StreamAcceptor> acceptor) override;
  /// Streams that are accepted from now on begin with `context`; open ones keep theirs.
  void use(TlsContext context) { serving_->context = std::move(context); }

 private:
  Loop* loop_;
  std::shared_ptr<Logger> logger_;
  std::shared_ptr<TlsServing> serving_;
};

}  // namespace dohle::net
