#pragma once

#include <memory>

#include "base/connection.hpp"
#include "base/transport.hpp"

namespace dohle::net {

/// Connections within one process, without sockets: framed, ordered and bounded as TCP ones, with
/// the same events. A frame that was sent as one Slice arrives as that Slice. A frame sent in
/// several pieces is assembled once, at the receiver, after its length was admitted. File ranges
/// are read on the sender's loop.
///
/// Bytes that `send` accepted and the other side has not read count as queued, so
/// `max_write_queue_bytes` bounds the memory of both sides. `send_buffer_bytes` and
/// `receive_buffer_bytes` have no meaning here.
///
/// The two ends may live on different loops. An end, a dialer or a listener has to be destroyed
/// before its loop, on the loop's thread or when the loop no longer runs.
///
/// Thread safety: any thread; the results of `listening` and `dialer` belong to the given loop.
class PipeNetwork final : public Transport {
 public:
  PipeNetwork();
  ~PipeNetwork() override;
  PipeNetwork(const PipeNetwork&) = delete;
  PipeNetwork& operator=(const PipeNetwork&) = delete;

  /// Makes listeners on `loop`. An address is only a name: any host is valid. Port 0 picks a free
  /// port. Listening on a taken address fails with Errc::already_exists. Up to 1,024 connections
  /// wait for a paused listener; further ones are refused. May outlive the PipeNetwork.
  [[nodiscard]] std::unique_ptr<Listening> listening(Executor& loop);
  /// Dials listeners of this network. An address without a listener fails with
  /// Errc::connection_failed, as a refused TCP connection does. May outlive the PipeNetwork.
  [[nodiscard]] std::unique_ptr<Dialer> dialer(Executor& loop) override;

  /// Listeners by address, shared by all objects that this network made.
  class Registry;

 private:
  std::shared_ptr<Registry> registry_;
};

}  // namespace dohle::net
