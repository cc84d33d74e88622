#pragma once

#include <memory>
#include <utility>

#include "base/stream_dialer.hpp"
#include "frames/framed_connection.hpp"

namespace dohle::frames {

/// Frames over the streams of a dialer. The loop and its parts in `on` outlive it and its
/// connections. Loop thread only, or before the loop runs.
class FramedDialer final : public ConnectionDialer {
 public:
  FramedDialer(std::unique_ptr<StreamDialer> streams, OnLoop on)
      : streams_(std::move(streams)), on_(on) {}

  std::unique_ptr<Connection> dial(const Endpoint& to, const DialOptions& options,
                                   ConnectionEvents& events) override {
    const auto connection = std::make_shared<FramedConnection>(
        on_, options.limits, PeerNames{streams_->peer_of(to), to.to_string()});
    connection->set_events(&events);
    streams_->dial(to, options, connection);
    return connection->handle();
  }

 private:
  std::unique_ptr<StreamDialer> streams_;
  const OnLoop on_;
};

}  // namespace dohle::frames
