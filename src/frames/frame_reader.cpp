#include "frames/frame_reader.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/assert.hpp"

namespace dohle::frames {

namespace {

constexpr std::size_t max_read_bytes = 256 * 1024;
constexpr std::size_t large_frame_bytes = ReadBuffers::buffer_bytes / 2;
// Bytes read at most beyond a large frame, and before the next length is known. Few enough to be
// copied into the next large frame, enough for most small frames.
constexpr std::size_t after_large_bytes = 4 * 1024;

/// Returns the whole pages of this memory to the system. Its bytes are lost. If that fails, the
/// pages are returned with the memory itself.
void return_pages(std::byte* begin, std::size_t bytes) {
  static const auto page_bytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto from = reinterpret_cast<std::uintptr_t>(begin);
  const std::uintptr_t first = (from + page_bytes - 1) / page_bytes * page_bytes;
  const std::uintptr_t end = (from + bytes) / page_bytes * page_bytes;
  if (first < end) (void)::madvise(begin + (first - from), end - first, MADV_DONTNEED);
}

}  // namespace

FrameReader::~FrameReader() {
  if (buffer_ != nullptr) buffers_->give_back(buffer_);
  if (large_ != nullptr) large_->release();
}

FrameState FrameReader::state() {
  if (error_) return FrameState::broken;
  if (!has_length_) {
    if (available() < frame_prefix_bytes) return FrameState::need_bytes;
    const auto length = check_frame_length(take_prefix(), max_frame_bytes_);
    if (!length) {
      error_ = length.error();
      return FrameState::broken;
    }
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

std::uint32_t FrameReader::take_prefix() {
  if (buffers_ == nullptr) return load_frame_length(handed_over_.take(frame_prefix_bytes).data());
  const std::uint32_t length = load_frame_length(buffer_->data() + begin_);
  begin_ += frame_prefix_bytes;
  return length;
}

void FrameReader::admit() {
  DOHLE_ASSERT(has_length_ && !is_admitted_, "a frame is admitted before its length arrived");
  is_admitted_ = true;
}

bool FrameReader::is_in_large_frame() const {
  return buffers_ != nullptr && has_length_ && is_admitted_ && length_ > large_frame_bytes;
}

std::size_t FrameReader::room_wanted() const {
  if (!is_in_large_frame()) return 0;
  const std::size_t have = large_ != nullptr ? large_have_ : in_buffer();
  DOHLE_ASSERT(granted_ <= length_, "more room is granted than the frame is long");
  return std::min(length_, have + max_read_bytes) - granted_;
}

void FrameReader::grant_room(std::size_t bytes) {
  DOHLE_ASSERT(bytes <= room_wanted(), "room is granted that no frame wants");
  granted_ += bytes;
}

std::size_t FrameReader::take_unused_room() {
  const std::size_t before = std::exchange(granted_, std::min(granted_, large_have_));
  return before - granted_;
}

void FrameReader::begin_large_frame() {
  large_ = Buffer::allocate(length_);
  large_have_ = in_buffer();
  DOHLE_ASSERT(large_have_ < length_, "a frame that has arrived gets a buffer to arrive in");
  if (large_have_ != 0) std::memcpy(large_->data(), buffer_->data() + begin_, large_have_);
  begin_ = end_;
  was_large_ = true;
}

Slice FrameReader::take_frame() {
  DOHLE_ASSERT(has_length_ && is_admitted_, "a frame is taken that was not admitted");
  has_length_ = false;
  granted_ = 0;
  if (buffers_ == nullptr) return handed_over_.take(length_);
  if (large_ != nullptr) {
    DOHLE_ASSERT(large_have_ == length_, "a frame is taken that has not arrived");
    Buffer* buffer = std::exchange(large_, nullptr);
    return {buffer, buffer->data(), length_};
  }
  was_large_ = length_ > large_frame_bytes;
  if (length_ == 0) return {};
  DOHLE_ASSERT(in_buffer() >= length_, "a frame is taken that has not arrived");
  buffer_->retain();
  Slice frame(buffer_, buffer_->data() + begin_, length_);
  begin_ += length_;
  return frame;
}

ReadRoom FrameReader::room() {
  DOHLE_ASSERT(buffers_ != nullptr, "a stream that hands over Slices reads into memory");
  ReadRoom room;
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

// Frames that are still in use share the buffer. Their bytes are never moved or overwritten.
void FrameReader::make_room(std::size_t wanted) {
  if (buffer_ == nullptr) {
    buffer_ = buffers_->take();
    begin_ = end_ = 0;
    return;
  }
  const bool is_shared = buffer_->is_shared();
  if (begin_ == end_ && !is_shared) begin_ = end_ = 0;
  // Less room at the end of the buffer is not worth a read.
  const std::size_t least = std::max(wanted, after_large_bytes);
  if (buffer_->size() - begin_ >= least && end_ < buffer_->size()) return;
  if (is_shared) {
    Buffer* fresh = buffers_->take();
    std::memcpy(fresh->data(), buffer_->data() + begin_, in_buffer());
    buffer_->release();
    buffer_ = fresh;
  } else {
    std::memmove(buffer_->data(), buffer_->data() + begin_, in_buffer());
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
  DOHLE_ASSERT(buffer_ == nullptr ? end_ == 0 : end_ <= buffer_->size(),
               "more bytes are written than there was room for");
}

void FrameReader::free_some(std::size_t bytes) {
  if (large_ == nullptr) return;
  const std::size_t freed = std::min(bytes, large_have_);
  large_have_ -= freed;
  return_pages(large_->data() + large_have_, freed);
  if (large_have_ == 0) std::exchange(large_, nullptr)->release();
}

void FrameReader::release_idle_buffer() {
  if (buffer_ == nullptr || begin_ != end_) return;
  buffers_->give_back(std::exchange(buffer_, nullptr));
  begin_ = end_ = 0;
}

}  // namespace dohle::frames
