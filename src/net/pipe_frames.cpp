#include "net/pipe_frames.hpp"

#include <algorithm>
#include <cstring>
#include <span>

#include "base/disk.hpp"

namespace dohle::net {

void PipeFrames::add(Slice slice) {
  size_ += slice.size();
  if (!slice.empty()) slices_.push_back(std::move(slice));
}

void PipeFrames::clear() {
  slices_.clear();
  size_ = 0;
}

FrameState PipeFrames::state() {
  if (error_) return FrameState::broken;
  if (!has_length_) {
    if (size_ < frame_prefix_bytes) return FrameState::need_bytes;
    const Slice prefix = take(frame_prefix_bytes);
    const auto length = check_frame_length(load_frame_length(prefix.data()), max_frame_bytes_);
    if (!length) {
      error_ = length.error();
      return FrameState::broken;
    }
    length_ = *length;
    has_length_ = true;
    is_admitted_ = false;
  }
  if (!is_admitted_) return FrameState::length;
  return size_ >= length_ ? FrameState::frame : FrameState::need_bytes;
}

Slice PipeFrames::take_frame() {
  has_length_ = false;
  return take(length_);
}

Slice PipeFrames::take(std::size_t size) {
  if (size == 0) return {};
  size_ -= size;
  Slice& front = slices_.front();
  if (front.size() == size) {
    Slice whole = std::move(front);
    slices_.pop_front();
    return whole;
  }
  if (front.size() > size) {
    Slice part = front.sub(0, size);
    front = front.sub(size);
    return part;
  }
  return Slice::made(size, [&](std::span<std::byte> to) {
    while (!to.empty()) {
      Slice& next = slices_.front();
      const std::size_t bytes = std::min(next.size(), to.size());
      std::memcpy(to.data(), next.data(), bytes);
      to = to.subspan(bytes);
      if (bytes == next.size()) {
        slices_.pop_front();
      } else {
        next = next.sub(bytes);
      }
    }
  });
}

Result<void> append_slices(Chain bytes, std::vector<Slice>& into) {
  for (Chain::Piece& piece : bytes.pieces()) {
    if (auto* slice = std::get_if<Slice>(&piece)) {
      into.push_back(std::move(*slice));
      continue;
    }
    const auto& range = std::get<FileRange>(piece);
    Chain read;
    if (!range.file->view(range.offset, range.size, read)) {
      Chain unread;
      unread.append(range);
      auto flat = unread.flatten();
      if (!flat) return fail(flat.error());
      read = Chain(*std::move(flat));
    }
    if (auto appended = append_slices(std::move(read), into); !appended) return appended;
  }
  return {};
}

}  // namespace dohle::net
