#pragma once

#include <memory>
#include <string>

#include "base/byte_stream.hpp"
#include "base/connection.hpp"

namespace dohle {

/// Owns a dialed stream, and receives its events.
class StreamOwner : public StreamEvents {
 public:
  virtual ~StreamOwner() = default;
  /// Called once, before any event, unless the owner is closed.
  virtual void set_stream(std::unique_ptr<ByteStream> stream) = 0;
  [[nodiscard]] virtual bool is_closed() const = 0;
};

/// Makes outgoing streams. Loop thread only.
class StreamDialer {
 public:
  virtual ~StreamDialer() = default;
  /// The name of the other side of a stream that is open.
  [[nodiscard]] virtual std::string peer_of(const Endpoint& to) const { return to.to_string(); }
  /// Gives `owner` its stream, now or later; on_open or on_lost follows. All addresses of a name
  /// are tried before it counts as failed. Of the limits, only those of buffers and of the write
  /// queue concern a stream.
  virtual void dial(const Endpoint& to, const DialOptions& options,
                    const std::shared_ptr<StreamOwner>& owner) = 0;
};

}  // namespace dohle
