#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/chain.hpp"
#include "base/executor.hpp"

namespace dohle {

/// A host name or address and a port.
struct Endpoint {
  std::string host;
  std::uint16_t port = 0;

  /// "host:port"; an IPv6 address stands in brackets.
  [[nodiscard]] std::string to_string() const;
  /// True for an address that only this machine reaches: 127.0.0.0/8, ::1 or localhost.
  [[nodiscard]] bool is_loopback() const;
  /// Parses the text that to_string writes. If `default_port` is 0, a port is required.
  static Result<Endpoint> parse(std::string_view text, std::uint16_t default_port = 0);
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

/// Whether a connection reads a frame whose length has arrived, and more bytes of its body.
enum class Admission : std::uint8_t {
  accept,  ///< read on
  hold,    ///< stop reading this connection until `resume_reading`, then ask again
  refuse,  ///< close the connection (too large or invalid)
};

/// Receives the events of a connection, on the loop's thread. Never called from within a call to
/// the same connection, so that decisions are not re-entered.
class ConnectionEvents {
 public:
  virtual ~ConnectionEvents() = default;
  /// The transport is set up (for TLS: after its handshake). Accepted connections are open from the
  /// start, and this is their first event too.
  virtual void on_open() = 0;
  /// A frame's length prefix arrived: `bytes` is the length of its body, at least 0.
  virtual Admission on_frame_length(std::size_t bytes) = 0;
  /// Asked before memory for `bytes` more of an admitted frame is allocated. TCP asks when the
  /// bytes have arrived, and only for frames above 32 KiB (smaller ones are in the connection's
  /// read buffer), so a frame that is announced and never sent takes no memory. Other transports
  /// ask once, for the whole frame.
  virtual Admission on_frame_room(std::size_t bytes) {
    (void)bytes;
    return Admission::accept;
  }
  /// `bytes` of the last admitted room did not arrive, and their memory is free again.
  virtual void on_frame_room_unused(std::size_t bytes) { (void)bytes; }
  /// A whole frame, without its length prefix. The slice keeps its own buffer alive; small frames
  /// may share one buffer of up to 64 KiB.
  virtual void on_frame(Slice frame) = 0;
  /// The write queue fell back to half its limit after `send` reported it full.
  virtual void on_drained() {}
  /// The last event, exactly once, also after a failed dial; never after `close()`.
  virtual void on_closed(Error why) = 0;
};

/// A framed, ordered byte stream: each frame is a 4-byte big-endian length and that many bytes. It
/// knows no Kafka requests. Loop thread only. Destroying it closes it without an event.
class Connection {
 public:
  virtual ~Connection() = default;
  /// Queues bytes, which start with the length prefix. Returns false if the queue is now above its
  /// limit: stop sending until `on_drained`. The bytes are queued in any case. All bytes queued in
  /// one turn of the loop are written with one gather call at the turn's end, or at once if they
  /// exceed 256 KiB.
  virtual bool send(Chain bytes) = 0;
  /// Bytes that `send` has queued and the operating system has not accepted yet.
  [[nodiscard]] virtual std::size_t queued_bytes() const = 0;
  /// The queued bytes that are in memory, without ranges of files.
  [[nodiscard]] virtual std::size_t queued_memory_bytes() const { return queued_bytes(); }
  /// Writes the queued bytes now instead of at the end of the turn.
  virtual void flush() = 0;
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;
  /// Drops the queued bytes and closes; no event follows.
  virtual void close() = 0;
  /// Stops reading, and closes once the queued bytes are written; no event follows.
  virtual void close_after_writes() = 0;
  /// The peer's address for logs and errors: "127.0.0.1:9092", "pipe".
  [[nodiscard]] virtual const std::string& peer() const = 0;
  /// The subject of the other side's verified certificate, as Java writes it (RFC 2253). Absent
  /// without a certificate; empty if the certificate has no subject. Known from `on_open` on.
  [[nodiscard]] virtual std::optional<std::string> certificate_name() const { return {}; }
};

struct ConnectionLimits {
  /// A larger body closes the connection before any memory is allocated.
  std::size_t max_frame_bytes = std::size_t{100} << 20;
  /// `send` returns false above it.
  std::size_t max_write_queue_bytes = std::size_t{64} << 20;
  /// Default: 0, never. A connection is closed when no byte moved in either direction for this
  /// long.
  std::chrono::milliseconds idle_timeout{0};
  /// Socket buffer sizes. Default: 0, the system's.
  int send_buffer_bytes = 0;
  int receive_buffer_bytes = 0;
};

struct DialOptions {
  ConnectionLimits limits;
  /// Time from the call to `on_open`, name resolution included.
  std::chrono::milliseconds connect_timeout{10'000};
};

/// Makes outgoing connections. Loop thread only.
class ConnectionDialer {
 public:
  virtual ~ConnectionDialer() = default;
  /// Returns at once; on_open or on_closed follows. `events` outlives the connection. All addresses
  /// of a name are tried before it counts as failed. Errc::name_not_resolved is not retriable if
  /// the name service answered that the host does not exist.
  virtual std::unique_ptr<Connection> dial(const Endpoint& to, const DialOptions& options,
                                           ConnectionEvents& events) = 0;
};

/// Accepts connections. Loop thread only. Destroying it stops listening; accepted connections stay
/// open.
class Listener {
 public:
  virtual ~Listener() = default;
  /// The listening address, with the actual port.
  [[nodiscard]] virtual const Endpoint& local() const = 0;
  /// Stops accepting (connections wait in the backlog) and starts again.
  virtual void pause() = 0;
  virtual void resume() = 0;
};

class Acceptor {
 public:
  virtual ~Acceptor() = default;
  /// Receives a new connection. Returns the receiver of its events, which must outlive it, or null
  /// to close it at once. The connection does not read before this call returns.
  virtual ConnectionEvents* on_accept(std::unique_ptr<Connection> connection) = 0;
};

/// Makes listeners. Loop thread only.
class Listening {
 public:
  virtual ~Listening() = default;
  virtual Result<std::unique_ptr<Listener>> listen(const Endpoint& at,
                                                   const ConnectionLimits& limits,
                                                   Acceptor& acceptor) = 0;
};

}  // namespace dohle
