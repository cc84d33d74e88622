#pragma once

#include <memory>
#include <string>

#include "base/byte_stream.hpp"
#include "base/connection.hpp"

namespace dohle {

/// Makes the stream of an accepted connection for its owner, which receives the events.
using MakeStream =
    std::move_only_function<std::unique_ptr<ByteStream>(const std::shared_ptr<StreamEvents>&)>;

/// Receives accepted streams.
class StreamAcceptor {
 public:
  virtual ~StreamAcceptor() = default;
  /// A connection arrived. Calls `make` once. Returns whether the stream is still open to be used;
  /// its on_open follows then. `peer`: the name of the other side.
  virtual bool on_accept(const std::string& peer, MakeStream make) = 0;
};

/// Listens for incoming streams. Loop thread only.
class StreamListening {
 public:
  virtual ~StreamListening() = default;
  /// Of the limits, only those of buffers and of the write queue concern a stream.
  virtual Result<std::unique_ptr<Listener>> listen(const Endpoint& at,
                                                   const ConnectionLimits& limits,
                                                   std::shared_ptr<StreamAcceptor> acceptor) = 0;
};

}  // namespace dohle
