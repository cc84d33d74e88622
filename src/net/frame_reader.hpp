#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/connection.hpp"
#include "base/slice.hpp"

namespace dohle::net {

/// Cuts a byte stream into frames. Owns no socket: the connection asks it where to read to, tells
/// it how much it got, and takes frames out.
///
/// Small frames share a buffer of 64 KiB; a frame that is larger than what is left of it gets one
/// buffer of its own size, so that its bytes are received in place.
class FrameReader {
 public:
  enum class State : std::uint8_t {
    need_bytes,  ///< read more into room()
    length,      ///< a length arrived: `length()` says how many; admit() or leave it
    frame,       ///< take_frame() has one
    broken,      ///< `error()` says why; nothing more will come
  };

  explicit FrameReader(std::size_t frame_bytes_max) : frame_bytes_max_(frame_bytes_max) {}
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;
  ~FrameReader();

  [[nodiscard]] State state();
  [[nodiscard]] std::size_t length() const { return length_; }
  /// The length that state() reported is welcome.
  void admit() { is_admitted_ = true; }
  [[nodiscard]] Slice take_frame();
  [[nodiscard]] const Error& error() const { return *error_; }

  /// Where the next bytes go: never empty, at most 256 KiB.
  [[nodiscard]] std::span<std::byte> room();
  void wrote(std::size_t bytes);
  /// Gives back the buffer while nothing is in it: idle connections hold no memory.
  void release_idle_buffer();

 private:
  [[nodiscard]] std::size_t available() const { return end_ - begin_; }
  void begin_large_frame();
  void make_room();

  std::size_t frame_bytes_max_;
  Buffer* buffer_ = nullptr;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  Buffer* large_ = nullptr;
  std::size_t large_have_ = 0;
  bool has_length_ = false;
  bool is_admitted_ = false;
  std::size_t length_ = 0;
  std::optional<Error> error_;
};

}  // namespace dohle::net
