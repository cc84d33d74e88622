#pragma once

#include <memory>

#include "base/connection.hpp"
#include "base/transport.hpp"

namespace dohle::net {

/// Connections within one process, without sockets: framed, ordered and bounded as TCP ones, with
/// the same events. A frame that was sent as one Slice arrives as that Slice; one sent in several
/// pieces is put together once, at the receiver, after its length was admitted. File ranges are
/// read on the sender's loop.
///
/// What `send` took and the other side has not counts as queued: `max_write_queue_bytes` bounds
/// both sides' memory. `send_buffer_bytes` and `receive_buffer_bytes` have no meaning here.
///
/// The two ends may live on different loops. An end, a dialer or a listener has to be destroyed
/// before its loop, and on it, or when the loop no longer runs.
///
/// Thread safety: any thread; what `listening` and `dialer` return belongs to the loop given.
class PipeNetwork final : public Transport {
 public:
  PipeNetwork();
  ~PipeNetwork() override;
  PipeNetwork(const PipeNetwork&) = delete;
  PipeNetwork& operator=(const PipeNetwork&) = delete;

  /// Makes listeners on `loop`. An address is a name here: any host; port 0 picks a free one. A
  /// taken address is Errc::already_exists. Up to 1,024 connections wait for a paused listener;
  /// further ones are refused. May outlive the PipeNetwork.
  [[nodiscard]] std::unique_ptr<Listening> listening(Executor& loop);
  /// Dials listeners of this network. An address where nobody listens is Errc::connection_failed,
  /// as a refused TCP connection is. May outlive the PipeNetwork.
  [[nodiscard]] std::unique_ptr<Dialer> dialer(Executor& loop) override;

  /// Who listens where; shared by all that this network made.
  class Registry;

 private:
  std::shared_ptr<Registry> registry_;
};

}  // namespace dohle::net
