#pragma once

#include <cstdint>
#include <optional>

#include "base/byte_stream.hpp"
#include "base/read_buffers.hpp"
#include "base/slice.hpp"
#include "frames/frame_prefix.hpp"

namespace dohle::frames {

/// Cuts a byte stream into frames. Owns no stream: the connection asks it for memory to read into,
/// reports the number of bytes read, and takes frames out.
///
/// Frames of up to 32 KiB share buffers of 64 KiB. A larger frame gets a buffer of its own size and
/// is received in place. Only bytes that were read together with its length (after a large frame at
/// most 4 KiB) are copied. That buffer is allocated once bytes after the length have arrived.
///
/// Streams that hand over Slices put them into `handed_over` instead. A frame within one Slice is
/// shared; any other one is assembled in a buffer of its own once its length was admitted.
class FrameReader {
 public:
  /// `buffers` is null for a stream that hands over Slices.
  FrameReader(std::size_t max_frame_bytes, ReadBuffers* buffers)
      : max_frame_bytes_(max_frame_bytes), buffers_(buffers) {}
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;
  ~FrameReader();

  [[nodiscard]] FrameState state();
  [[nodiscard]] std::size_t length() const { return length_; }
  /// Admits the frame whose length state() reported.
  void admit();
  [[nodiscard]] Slice take_frame();
  [[nodiscard]] const Error& error() const { return *error_; }

  /// The Slices that a stream hands over; their bytes count as received.
  [[nodiscard]] SliceQueue& handed_over() { return handed_over_; }
  /// True if a frame is received in pieces. Room for each piece is requested before room().
  [[nodiscard]] bool is_read_in_pieces() const { return buffers_ != nullptr; }

  /// Memory for the next bytes, at most 260 KiB. Never empty.
  [[nodiscard]] ReadRoom room();
  /// Reports that `bytes` were read into the memory that room() returned last.
  void wrote(std::size_t bytes);
  /// Bytes to grant before room(): those that the next read may add to a frame with a buffer of its
  /// own.
  [[nodiscard]] std::size_t room_wanted() const;
  void grant_room(std::size_t bytes);
  /// Withdraws the granted bytes that did not arrive. Returns their number.
  [[nodiscard]] std::size_t take_unused_room();
  /// Gives back the buffer if it is empty, so that idle connections hold no memory.
  void release_idle_buffer();

  /// Bytes that have arrived of a frame with a buffer of its own.
  [[nodiscard]] std::size_t unfinished_bytes() const { return large_ != nullptr ? large_have_ : 0; }
  /// Frees the last `bytes` of them, or all if there are fewer. No byte is read afterwards.
  void free_some(std::size_t bytes);

 private:
  [[nodiscard]] std::size_t in_buffer() const { return end_ - begin_; }
  [[nodiscard]] std::size_t available() const { return in_buffer() + handed_over_.size(); }
  [[nodiscard]] std::uint32_t take_prefix();
  [[nodiscard]] bool is_in_large_frame() const;
  void begin_large_frame();
  void make_room(std::size_t wanted);

  std::size_t max_frame_bytes_;
  ReadBuffers* buffers_;
  SliceQueue handed_over_;
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

}  // namespace dohle::frames
