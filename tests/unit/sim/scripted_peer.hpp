#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/connection.hpp"
#include "sim/machine.hpp"
#include "sim/world.hpp"

namespace dohle::sim {

/// A frame with length and body.
inline Chain framed(std::string_view body) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(static_cast<unsigned char>(body.size() >> shift)));
  }
  bytes.append(body);
  return Chain(Slice::copy_of(bytes));
}

/// One end of a connection that records its events.
class Peer : public ConnectionEvents {
 public:
  void on_open() override { happened("open"); }
  Admission on_frame_length(std::size_t) override {
    if (admission != Admission::accept) happened("asked");
    return admission;
  }
  void on_frame(Slice frame) override {
    happened(std::string(frame.text()));
    if (echo && connection != nullptr) connection->send(framed(frame.text()));
  }
  void on_drained() override { happened("drained"); }
  void on_closed(Error why) override {
    happened("closed");
    error = std::string(why.message());
  }

  void happened(std::string what) {
    events.push_back(std::move(what));
    if (after_event) after_event();
  }
  [[nodiscard]] bool saw(std::string_view event) const {
    return std::find(events.begin(), events.end(), event) != events.end();
  }

  std::unique_ptr<Connection> connection;
  Admission admission = Admission::accept;
  bool echo = false;
  std::function<void()> after_event;
  std::vector<std::string> events;
  std::string error;
};

/// Listens on port 9092 and keeps all connections.
class Server final : public Acceptor {
 public:
  explicit Server(Process& process, ConnectionLimits limits = {}) {
    auto made = process.listening().listen({"0.0.0.0", 9092}, limits, *this);
    if (made) {
      listener = std::move(*made);
    } else {
      error = std::string(made.error().message());
    }
  }
  ConnectionEvents* on_accept(std::unique_ptr<Connection> connection) override {
    if (refuses) return nullptr;
    peers.push_back(std::make_unique<Peer>());
    peers.back()->connection = std::move(connection);
    peers.back()->echo = echo;
    return peers.back().get();
  }

  std::unique_ptr<Listener> listener;
  std::vector<std::unique_ptr<Peer>> peers;
  bool echo = false;
  bool refuses = false;
  std::string error;
};

/// Two machines, "node" with a Server and "client" with a Peer that dials it.
class Pair {
 public:
  explicit Pair(std::uint64_t seed = 1, WorldOptions options = {}, ConnectionLimits limits = {})
      : world(seed, std::move(options)),
        node(world.machine("node").start(
            "node", [limits](Process& self) { return std::make_shared<Server>(self, limits); })),
        client(world.machine("client").start("client",
                                             [](Process&) { return std::make_shared<Peer>(); })) {
    world.run_for(std::chrono::milliseconds(1));
  }

  Server& server() { return *node.running_as<Server>(); }
  Peer& server_peer() { return *server().peers.back(); }
  Peer& peer() { return *client.running_as<Peer>(); }
  void dial(DialOptions options = {}, Endpoint to = {"node", 9092}) {
    peer().connection = client.dialer().dial(to, options, peer());
  }
  /// Dials until both sides are open.
  void connect(DialOptions options = {}) {
    dial(options);
    world.run_for(std::chrono::milliseconds(50));
  }

  World world;
  Process& node;
  Process& client;
};

}  // namespace dohle::sim
