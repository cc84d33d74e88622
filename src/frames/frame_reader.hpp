#pragma once

#include <cstdint>
#include <optional>

#include "base/byte_stream.hpp"
#include "base/slice.hpp"
#include "frames/frame_prefix.hpp"
#include "frames/read_buffers.hpp"

namespace dohle::frames {

/// Cuts a byte stream into frames. Owns no stream: the connection asks it where to read to, tells
/// it how much it got, and takes frames out.
///
/// Frames of up to 32 KiB share buffers of 64 KiB. A larger one gets one buffer of its own size and
/// is received in place; only what came in one call with its length (after a large frame at most
/// 4 KiB) is copied. That buffer is made when more of the frame has arrived than its length.
///
/// Streams that hand over Slices put them into `handed_over` instead. A frame that lies within one
/// Slice is shared, any other is put together in a buffer of its own once its length was admitted.
class FrameReader {
 public:
  /// `buffers`: null for a stream that hands over Slices.
  FrameReader(std::size_t max_frame_bytes, ReadBuffers* buffers)
      : max_frame_bytes_(max_frame_bytes), buffers_(buffers) {}
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;
  ~FrameReader();

  [[nodiscard]] FrameState state();
  [[nodiscard]] std::size_t length() const { return length_; }
  /// The length that state() reported is welcome.
  void admit();
  [[nodiscard]] Slice take_frame();
  [[nodiscard]] const Error& error() const { return *error_; }

  /// Where Slices are added; its bytes count as arrived.
  [[nodiscard]] SliceQueue& handed_over() { return handed_over_; }
  /// A frame is received piece by piece, and room for each piece is asked for before room().
  [[nodiscard]] bool is_read_in_pieces() const { return buffers_ != nullptr; }

  /// Where the next bytes go, together at most 260 KiB. Never empty.
  [[nodiscard]] ReadRoom room();
  /// So many bytes came into what room() returned last.
  void wrote(std::size_t bytes);
  /// How many bytes have to be granted before room(): those of a frame with a buffer of its own
  /// that the next call may bring.
  [[nodiscard]] std::size_t room_wanted() const;
  void grant_room(std::size_t bytes);
  /// How many granted bytes did not come; they are not granted any more.
  [[nodiscard]] std::size_t take_unused_room();
  /// Gives back the buffer while nothing is in it: idle connections hold no memory.
  void release_idle_buffer();

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
