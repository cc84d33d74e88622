#include "net/frame_reader.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace dohle::net {

namespace {

constexpr std::size_t max_read_bytes = 256 * 1024;
constexpr std::size_t large_frame_bytes = ReadBuffers::buffer_bytes / 2;
// What may be read beyond a large frame, or before the length of the next one is known: little
// enough to be copied into the next large frame, enough for most small ones.
constexpr std::size_t after_large_bytes = 4 * 1024;

}  // namespace

FrameReader::~FrameReader() {
  if (buffer_ != nullptr) buffers_->give_back(buffer_);
  if (large_ != nullptr) large_->release();
}

FrameState FrameReader::state() {
  if (error_) return FrameState::broken;
  if (!has_length_) {
    if (available() < frame_prefix_bytes) return FrameState::need_bytes;
    const auto length =
        check_frame_length(load_frame_length(buffer_->data() + begin_), max_frame_bytes_);
    if (!length) {
      error_ = length.error();
      return FrameState::broken;
    }
    begin_ += frame_prefix_bytes;
    length_ = *length;
    has_length_ = true;
    is_admitted_ = false;
  }
  if (!is_admitted_) return FrameState::length;
  if (large_ != nullptr) {
    return large_have_ == length_ ? FrameState::frame : FrameState::need_bytes;
  }
  return available() >= length_ ? FrameState::frame : FrameState::need_bytes;
}

bool FrameReader::is_in_large_frame() const {
  return has_length_ && is_admitted_ && length_ > large_frame_bytes;
}

std::size_t FrameReader::room_wanted() const {
  if (!is_in_large_frame()) return 0;
  const std::size_t have = large_ != nullptr ? large_have_ : available();
  return std::min(length_, have + max_read_bytes) - granted_;
}

std::size_t FrameReader::take_unused_room() {
  const std::size_t before = std::exchange(granted_, std::min(granted_, large_have_));
  return before - granted_;
}

void FrameReader::begin_large_frame() {
  large_ = Buffer::allocate(length_);
  large_have_ = available();
  if (large_have_ != 0) std::memcpy(large_->data(), buffer_->data() + begin_, large_have_);
  begin_ = end_;
  was_large_ = true;
}

Slice FrameReader::take_frame() {
  has_length_ = false;
  granted_ = 0;
  if (large_ != nullptr) {
    Buffer* buffer = std::exchange(large_, nullptr);
    return {buffer, buffer->data(), length_};
  }
  was_large_ = length_ > large_frame_bytes;
  if (length_ == 0) return {};
  buffer_->retain();
  Slice frame(buffer_, buffer_->data() + begin_, length_);
  begin_ += length_;
  return frame;
}

FrameReader::Room FrameReader::room() {
  Room room;
  if (is_in_large_frame() && large_ == nullptr) begin_large_frame();
  if (large_ != nullptr) {
    const std::size_t missing = length_ - large_have_;
    room.add(large_->data() + large_have_, std::min(missing, max_read_bytes));
    if (missing > max_read_bytes) return room;
    make_room(frame_prefix_bytes);
    room.add(buffer_->data() + end_, std::min(buffer_->size() - end_, after_large_bytes));
    return room;
  }
  make_room(has_length_ ? length_ : frame_prefix_bytes);
  const std::size_t size = buffer_->size() - end_;
  const bool expects_large = was_large_ && !has_length_;
  room.add(buffer_->data() + end_, expects_large ? std::min(size, after_large_bytes) : size);
  return room;
}

// Frames that users still hold share the buffer: what they may read is never moved or overwritten.
void FrameReader::make_room(std::size_t wanted) {
  if (buffer_ == nullptr) {
    buffer_ = buffers_->take();
    begin_ = end_ = 0;
    return;
  }
  const bool is_shared = buffer_->is_shared();
  if (begin_ == end_ && !is_shared) begin_ = end_ = 0;
  // A few bytes at its end are not worth a call of their own.
  const std::size_t least = std::max(wanted, after_large_bytes);
  if (buffer_->size() - begin_ >= least && end_ < buffer_->size()) return;
  if (is_shared) {
    Buffer* fresh = buffers_->take();
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
    const std::size_t in_large = std::min(bytes, length_ - large_have_);
    large_have_ += in_large;
    bytes -= in_large;
  }
  end_ += bytes;
}

void FrameReader::release_idle_buffer() {
  if (buffer_ == nullptr || begin_ != end_) return;
  buffers_->give_back(std::exchange(buffer_, nullptr));
  begin_ = end_ = 0;
}

}  // namespace dohle::net
