#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/slice_queue.hpp"
#include "base/write_queue.hpp"
#include "dohle/error.hpp"

namespace dohle {

/// Memory for the next bytes of a stream, in one or two pieces.
struct ReadRoom {
  std::array<iovec, 2> pieces;
  std::size_t count = 0;
  std::size_t bytes = 0;

  void add(std::byte* data, std::size_t size) {
    pieces[count++] = {data, size};
    bytes += size;
  }
};

/// The state of a stream after a read or write.
enum class StreamState : std::uint8_t {
  ready,    ///< another call may move more bytes
  blocked,  ///< no call moves bytes until `on_news`
  ended,    ///< only of reads without bytes: the other side has ended its writes
};

/// The result of one read or write. A call may move fewer bytes than possible.
struct Moved {
  std::size_t bytes = 0;
  StreamState state = StreamState::ready;
};

/// Changes of a stream's state.
struct StreamNews {
  bool may_read = false;   ///< bytes, the end or an error can be read
  bool may_write = false;  ///< bytes can be written
  bool is_dead = false;    ///< the other side reads no bytes that are written from now on
  bool is_reset = false;   ///< as is_dead, and received bytes may be lost: a paused reader need
                           ///< not wait for them
};

/// Receives the events of a stream, on the loop's thread. Never called from within a call to the
/// stream. The owner may close or destroy the stream in each event.
class StreamEvents {
 public:
  /// The stream is connected and can be written to. `may_read`: bytes may have arrived already.
  virtual void on_open(bool may_read) = 0;
  /// Follows `blocked`, or a failure of the stream. Only while the stream is open.
  virtual void on_news(StreamNews news) = 0;
  /// The stream could not be connected, or failed outside of reads and writes. `why` does not name
  /// the other side.
  virtual void on_lost(const Error& why) = 0;

 protected:
  ~StreamEvents() = default;
};

/// Bytes in both directions, in order: a TCP socket, one end of a pipe within the process, a
/// simulated connection, or one of these with encryption above it. It knows no frames; a
/// FramedConnection above it does. Loop thread only. Destroying it closes it.
///
/// Errors do not name the other side. After an error the stream can only be closed.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  /// Reads up to `into.bytes`, which is at least 1.
  virtual Result<Moved> read(const ReadRoom& into) = 0;
  /// True if received bytes lie in Slices that can be shared. `read_slices` then reads them without
  /// a copy.
  [[nodiscard]] virtual bool hands_over_slices() const { return false; }
  /// Reads whole Slices until they hold at least `max_bytes`. Only for streams that hand over
  /// Slices.
  virtual Result<Moved> read_slices(SliceQueue& into, std::size_t max_bytes) = 0;
  /// Takes bytes off the front of `from`, which is not empty: as many as there is room for, or
  /// fewer. Ranges of files are sent as ranges or read here; an error of a file is returned.
  virtual Result<Moved> write(WriteQueue& from) = 0;
  /// Written bytes that the other side has not read and that lie in this process' memory.
  [[nodiscard]] virtual std::size_t unread_bytes() const { return 0; }
  /// As Connection::certificate_name.
  [[nodiscard]] virtual std::optional<std::string> certificate_name() const { return {}; }
  /// Ends writing: the other side reads the written bytes, then the end. Received but unread bytes
  /// are dropped, so that `close` sends no reset, which could drop written bytes.
  virtual void end_writes() = 0;
  /// Closes the stream. No event follows.
  virtual void close() = 0;
};

}  // namespace dohle
