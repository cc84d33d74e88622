#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "base/byte_stream.hpp"

namespace dohle::sim {

/// Puts a stream, such as encryption, between the connections of a process and their simulated
/// sockets. It outlives the dialer or the listening that has it, but not the streams that it made.
class StreamLayer {
 public:
  /// Makes the stream of the socket, which reports to `events`. Called once, within put_on.
  using MakeSocket = std::function<std::unique_ptr<ByteStream>(StreamEvents& events)>;

  virtual ~StreamLayer() = default;
  /// Returns the stream that the connection uses. It reports to `connection`. `host` is the dialed
  /// name; empty for an accepted connection.
  virtual std::unique_ptr<ByteStream> put_on(const MakeSocket& socket, StreamEvents& connection,
                                             std::string_view host) = 0;
};

}  // namespace dohle::sim
