#pragma once

#include <memory>

#include "base/stream_listening.hpp"
#include "base/transport.hpp"

namespace dohle::net {

/// Streams within one process, without sockets: ordered and bounded as TCP ones, with the same
/// events. A written Slice arrives as that Slice, without a copy. File ranges are read on the
/// sender's loop.
///
/// Half of `max_write_queue_bytes` may be written and not read by the other side. The write queue
/// has the other half, so the limit bounds the memory of both sides. `send_buffer_bytes` and
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
  [[nodiscard]] std::unique_ptr<StreamListening> listening(Executor& loop);
  /// Dials listeners of this network. An address without a listener fails with
  /// Errc::connection_failed, as a refused TCP connection does. May outlive the PipeNetwork.
  [[nodiscard]] std::unique_ptr<StreamDialer> dialer(Executor& loop) override;

  /// Listeners by address, shared by all objects that this network made.
  class Registry;

 private:
  std::shared_ptr<Registry> registry_;
};

}  // namespace dohle::net
