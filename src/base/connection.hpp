#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
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
  /// Reached from this machine alone: 127.0.0.0/8, ::1 or localhost.
  [[nodiscard]] bool is_loopback() const;
  /// Reads what to_string writes. `default_port` 0: a port is required.
  static Result<Endpoint> parse(std::string_view text, std::uint16_t default_port = 0);
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

/// What a connection does with a frame whose length has arrived, and with more bytes of its body.
enum class Admission : std::uint8_t {
  accept,  ///< read on
  hold,    ///< stop reading this connection until `resume_reading`, then ask again
  refuse,  ///< close the connection (too large, or nonsense)
};

/// What happens on a connection. Called on the loop's thread, never from within a call to the
/// same connection, so that a decision is not re-entered.
class ConnectionEvents {
 public:
  virtual ~ConnectionEvents() = default;
  /// The transport is set up (for TLS: after its handshake). Accepted connections start open, and
  /// get this call first too.
  virtual void on_open() = 0;
  /// A frame's length prefix arrived: `bytes` is the length of its body, at least 0.
  virtual Admission on_frame_length(std::size_t bytes) = 0;
  /// Memory is about to be taken for so many bytes more of an admitted frame. Over TCP that is when
  /// they have arrived, and for frames above 32 KiB alone (smaller ones lie in the connection's
  /// read buffer): a frame that is announced and never sent takes none. Others ask once, for the
  /// whole.
  virtual Admission on_frame_room(std::size_t bytes) {
    (void)bytes;
    return Admission::accept;
  }
  /// So many of the bytes that were asked for last have not arrived, and are not held.
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
/// knows no Kafka. Loop thread only. Destroying it closes it without an event.
class Connection {
 public:
  virtual ~Connection() = default;
  /// Queues bytes to be written; the caller has put the length prefix in front. Returns false
  /// when the queue is now over its limit: stop until `on_drained`. The bytes are taken either way.
  /// What is queued in one turn of the loop is written with one gather call at the turn's end, or
  /// at once when it exceeds 256 KiB.
  virtual bool send(Chain bytes) = 0;
  /// Bytes accepted by `send` and not yet by the operating system.
  [[nodiscard]] virtual std::size_t queued_bytes() const = 0;
  /// Those of them that lie in memory: ranges of files do not.
  [[nodiscard]] virtual std::size_t queued_memory_bytes() const { return queued_bytes(); }
  /// Writes what is queued now instead of at the end of the turn.
  virtual void flush() = 0;
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;
  /// Drops what is queued and closes; no event follows.
  virtual void close() = 0;
  /// Closes once what is queued is written; reading stops; no event follows.
  virtual void close_after_writes() = 0;
  /// The other side, as text for logs and errors: "127.0.0.1:9092", "pipe".
  [[nodiscard]] virtual const std::string& peer() const = 0;
};

struct ConnectionLimits {
  /// Bodies above it close the connection before anything is allocated.
  std::size_t max_frame_bytes = std::size_t{100} << 20;
  /// `send` reports full above it.
  std::size_t max_write_queue_bytes = std::size_t{64} << 20;
  /// Closed when no byte moved either way for that long; zero: never.
  std::chrono::milliseconds idle_timeout{0};
  /// Socket buffer sizes; 0: the system's.
  int send_buffer_bytes = 0;
  int receive_buffer_bytes = 0;
};

struct DialOptions {
  ConnectionLimits limits;
  /// From the call to `on_open`, name resolution included.
  std::chrono::milliseconds connect_timeout{10'000};
};

/// Makes outgoing connections. Loop thread only.
class Dialer {
 public:
  virtual ~Dialer() = default;
  /// Returns at once; on_open or on_closed follows. `events` outlives the connection. All addresses
  /// of a name are tried before it counts as failed. Errc::name_not_resolved is not retriable when
  /// it is certain that there is no such host.
  virtual std::unique_ptr<Connection> dial(const Endpoint& to, const DialOptions& options,
                                           ConnectionEvents& events) = 0;
};

/// Takes incoming connections. Loop thread only. Destroying it stops listening; connections that
/// were accepted live on.
class Listener {
 public:
  virtual ~Listener() = default;
  /// Where it listens, with the port that the system picked for port 0.
  [[nodiscard]] virtual const Endpoint& local() const = 0;
  /// Stops accepting (connections wait in the backlog) and starts again.
  virtual void pause() = 0;
  virtual void resume() = 0;
};

class Acceptor {
 public:
  virtual ~Acceptor() = default;
  /// A connection came in. Returns the events it reports to, which must outlive it, or null to
  /// close it at once. The connection does not read before this call returns.
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
