#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>

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

/// What a further read or write would do.
enum class StreamState : std::uint8_t {
  ready,    ///< it may move more bytes at once
  blocked,  ///< nothing, until news tell of more
  ended,    ///< reads only, and with no byte: the other side writes no more
};

/// What one read or write did. It may move fewer bytes than it could.
struct Moved {
  std::size_t bytes = 0;
  StreamState state = StreamState::ready;
};

/// What happened to a stream since it was asked last.
struct StreamNews {
  bool may_read = false;   ///< bytes, the end or an error can be read
  bool may_write = false;  ///< there is room
  bool is_dead = false;    ///< the other side reads nothing that is written from now on
  bool is_reset = false;   ///< as is_dead, and bytes that arrived may be lost: a reader that is
                           ///< paused need not wait for them
};

/// What a stream tells its owner. Called on the loop's thread, never from within a call to the
/// stream. The owner may close or destroy the stream in each of them.
class StreamEvents {
 public:
  /// It is connected and may be written to. `may_read`: bytes may have arrived already.
  virtual void on_open(bool may_read) = 0;
  /// After `blocked`, or when the stream broke. Only while it is open.
  virtual void on_news(StreamNews news) = 0;
  /// It could not be connected, or broke with nobody reading or writing. `why` does not name the
  /// other side.
  virtual void on_lost(const Error& why) = 0;

 protected:
  ~StreamEvents() = default;
};

/// Bytes in both directions, in order: a TCP socket, one end of a pipe within the process, a
/// simulated connection, or one of these with encryption above it. It knows no frames; one
/// FramedConnection above it does. Loop thread only. Destroying it closes it.
///
/// Errors do not name the other side. After one the stream is only closed.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  /// Reads at most `into.bytes`, which are at least 1.
  virtual Result<Moved> read(const ReadRoom& into) = 0;
  /// What arrives lies in Slices that can be shared. They are read by `read_slices`, without a
  /// copy.
  [[nodiscard]] virtual bool hands_over_slices() const { return false; }
  /// Whole Slices, until they are at least `max_bytes`. Only of streams that hand over Slices.
  virtual Result<Moved> read_slices(SliceQueue& into, std::size_t max_bytes) = 0;
  /// Takes bytes off the front of `from`, which is not empty: as many as it has room for, or fewer.
  /// Ranges of files are sent as such or read here; an error of a file is returned.
  virtual Result<Moved> write(WriteQueue& from) = 0;
  /// Bytes that it took, that the other side has not read, and that lie in this process' memory.
  [[nodiscard]] virtual std::size_t unread_bytes() const { return 0; }
  /// Nothing more is written: the other side reads what was written, then the end. What has
  /// arrived unread is dropped, so that `close` does not reset what the other side is to read.
  virtual void end_writes() = 0;
  /// No call to the events follows.
  virtual void close() = 0;
};

}  // namespace dohle
