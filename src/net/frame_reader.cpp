#include "net/frame_reader.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace dohle::net {

namespace {

constexpr std::size_t buffer_bytes = 64 * 1024;
constexpr std::size_t read_bytes_max = 256 * 1024;
constexpr std::size_t prefix_bytes = 4;

std::uint32_t load_length(const std::byte* at) {
  std::uint32_t length = 0;
  for (std::size_t i = 0; i < prefix_bytes; ++i) {
    length = (length << 8) | std::to_integer<std::uint32_t>(at[i]);
  }
  return length;
}

}  // namespace

FrameReader::~FrameReader() {
  if (buffer_ != nullptr) buffer_->release();
  if (large_ != nullptr) large_->release();
}

FrameReader::State FrameReader::state() {
  if (error_) return State::broken;
  if (!has_length_) {
    if (available() < prefix_bytes) return State::need_bytes;
    const std::uint32_t length = load_length(buffer_->data() + begin_);
    if (length > INT32_MAX) {
      error_ = Error::client(Errc::malformed, "a frame with a negative length");
      return State::broken;
    }
    if (length > frame_bytes_max_) {
      error_ = Error::client(Errc::too_large, "a frame of " + std::to_string(length) +
                                                  " bytes; the limit is " +
                                                  std::to_string(frame_bytes_max_));
      return State::broken;
    }
    begin_ += prefix_bytes;
    length_ = length;
    has_length_ = true;
    is_admitted_ = false;
  }
  if (!is_admitted_) return State::length;
  if (large_ != nullptr) return large_have_ == length_ ? State::frame : State::need_bytes;
  if (available() >= length_) return State::frame;
  if (length_ > buffer_bytes / 2) begin_large_frame();
  return State::need_bytes;
}

void FrameReader::begin_large_frame() {
  large_ = Buffer::allocate(length_);
  large_have_ = available();
  if (large_have_ != 0) std::memcpy(large_->data(), buffer_->data() + begin_, large_have_);
  begin_ = end_ = 0;
  release_idle_buffer();
}

Slice FrameReader::take_frame() {
  has_length_ = false;
  if (length_ == 0) return {};
  if (large_ != nullptr) {
    Buffer* buffer = std::exchange(large_, nullptr);
    return {buffer, buffer->data(), length_};
  }
  buffer_->retain();
  Slice frame(buffer_, buffer_->data() + begin_, length_);
  begin_ += length_;
  return frame;
}

std::span<std::byte> FrameReader::room() {
  if (large_ != nullptr) {
    const std::size_t size = std::min(length_ - large_have_, read_bytes_max);
    return {large_->data() + large_have_, size};
  }
  make_room();
  return {buffer_->data() + end_, buffer_->size() - end_};
}

// Frames that users still hold share the buffer: what they may read is never moved or overwritten.
void FrameReader::make_room() {
  if (buffer_ == nullptr) {
    buffer_ = Buffer::allocate(buffer_bytes);
    begin_ = end_ = 0;
    return;
  }
  const std::size_t wanted = has_length_ ? length_ : prefix_bytes;
  const bool is_shared = buffer_->is_shared();
  if (begin_ == end_ && !is_shared) {
    begin_ = end_ = 0;
  }
  if (buffer_->size() - begin_ >= wanted && end_ < buffer_->size()) return;
  if (is_shared) {
    Buffer* fresh = Buffer::allocate(buffer_bytes);
    std::memcpy(fresh->data(), buffer_->data() + begin_, available());
    buffer_->release();
    buffer_ = fresh;
  } else {
    std::memmove(buffer_->data(), buffer_->data() + begin_, available());
  }
  end_ -= std::exchange(begin_, 0);
}

void FrameReader::wrote(std::size_t bytes) {
  if (large_ != nullptr) {
    large_have_ += bytes;
  } else {
    end_ += bytes;
  }
}

void FrameReader::release_idle_buffer() {
  if (buffer_ == nullptr || begin_ != end_) return;
  std::exchange(buffer_, nullptr)->release();
  begin_ = end_ = 0;
}

}  // namespace dohle::net
