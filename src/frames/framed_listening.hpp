#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/stream_listening.hpp"
#include "frames/framed_connection.hpp"

namespace dohle::frames {

/// Frames over accepted streams. `streams` outlives it, the loop and its parts in `on` outlive its
/// listeners and their connections. Loop thread only, or before the loop runs.
class FramedListening final : public Listening {
 public:
  FramedListening(StreamListening& streams, OnLoop on) : streams_(streams), on_(on) {}

  Result<std::unique_ptr<Listener>> listen(const Endpoint& at, const ConnectionLimits& limits,
                                           Acceptor& acceptor) override {
    return streams_.listen(at, limits, std::make_shared<Framing>(on_, limits, acceptor));
  }

 private:
  class Framing final : public StreamAcceptor {
   public:
    Framing(OnLoop on, const ConnectionLimits& limits, Acceptor& acceptor)
        : on_(on), limits_(limits), acceptor_(acceptor) {}

    bool on_accept(const std::string& peer, MakeStream make) override {
      const auto connection = std::make_shared<FramedConnection>(on_, limits_, PeerNames{peer, {}});
      connection->set_stream(make(connection));
      ConnectionEvents* events = acceptor_.on_accept(connection->handle());
      if (events == nullptr) connection->close();
      if (connection->is_closed()) return false;
      connection->set_events(events);
      return true;
    }

   private:
    const OnLoop on_;
    const ConnectionLimits limits_;
    Acceptor& acceptor_;
  };

  StreamListening& streams_;
  const OnLoop on_;
};

}  // namespace dohle::frames
