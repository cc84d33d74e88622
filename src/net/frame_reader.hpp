#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/connection.hpp"
#include "base/slice.hpp"
#include "net/frame_prefix.hpp"
#include "net/read_buffers.hpp"

namespace dohle::net {

/// Cuts a byte stream into frames. Owns no socket: the connection asks it where to read to, tells
/// it how much it got, and takes frames out.
///
/// Frames of up to 32 KiB share buffers of 64 KiB. A larger one gets one buffer of its own size and
/// is received in place; only what came in one call with its length (after a large frame at most
/// 4 KiB) is copied. That buffer is made when more of the frame has arrived than its length.
class FrameReader {
 public:
  /// The events of a connection are asked for room piece by piece, before each call to room().
  static constexpr bool is_read_in_pieces = true;

  FrameReader(std::size_t max_frame_bytes, ReadBuffers& buffers)
      : max_frame_bytes_(max_frame_bytes), buffers_(&buffers) {}
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;
  ~FrameReader();

  [[nodiscard]] FrameState state();
  [[nodiscard]] std::size_t length() const { return length_; }
  /// The length that state() reported is welcome.
  void admit() { is_admitted_ = true; }
  [[nodiscard]] Slice take_frame();
  [[nodiscard]] const Error& error() const { return *error_; }

  /// Where the next bytes go, in one or two pieces of together at most 260 KiB. Never empty.
  struct Room {
    std::array<iovec, 2> pieces;
    std::size_t count = 0;
    std::size_t bytes = 0;

    void add(std::byte* data, std::size_t size) {
      pieces[count++] = {data, size};
      bytes += size;
    }
  };
  [[nodiscard]] Room room();
  void wrote(std::size_t bytes);
  /// How many bytes have to be granted before room(): those of a frame with a buffer of its own
  /// that the next call may bring.
  [[nodiscard]] std::size_t room_wanted() const;
  void grant_room(std::size_t bytes) { granted_ += bytes; }
  /// How many granted bytes did not come; they are not granted any more.
  [[nodiscard]] std::size_t take_unused_room();
  /// Gives back the buffer while nothing is in it: idle connections hold no memory.
  void release_idle_buffer();

 private:
  [[nodiscard]] std::size_t available() const { return end_ - begin_; }
  [[nodiscard]] bool is_in_large_frame() const;
  void begin_large_frame();
  void make_room(std::size_t wanted);

  std::size_t max_frame_bytes_;
  ReadBuffers* buffers_;
  Buffer* buffer_ = nullptr;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  Buffer* large_ = nullptr;
  std::size_t large_have_ = 0;
  std::size_t granted_ = 0;  // bytes of the large frame
  bool was_large_ = false;
  bool has_length_ = false;
  bool is_admitted_ = false;
  std::size_t length_ = 0;
  std::optional<Error> error_;
};

}  // namespace dohle::net
