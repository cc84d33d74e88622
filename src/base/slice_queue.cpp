#include "base/slice_queue.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.hpp"

namespace dohle {

namespace {

// With fewer taken Slices at the front, the other ones are not moved.
constexpr std::size_t min_taken_to_compact = 32;

}  // namespace

void SliceQueue::add(Slice slice) {
  if (slice.empty()) return;
  if (first_ >= min_taken_to_compact && first_ * 2 >= slices_.size()) {
    slices_.erase(slices_.begin(), slices_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  size_ += slice.size();
  slices_.push_back(std::move(slice));
}

void SliceQueue::drop_front(std::size_t bytes) {
  size_ -= bytes;
  if (bytes < front().size()) {
    front() = front().sub(bytes);
    return;
  }
  front() = {};
  if (++first_ < slices_.size()) return;
  DOHLE_ASSERT(size_ == 0, "a queue without Slices counts bytes");
  slices_.clear();
  first_ = 0;
}

Slice SliceQueue::take(std::size_t size) {
  DOHLE_ASSERT(size <= size_, "more bytes are taken than have arrived");
  if (size == 0) return {};
  if (front().size() >= size) {
    Slice taken = front().sub(0, size);
    drop_front(size);
    return taken;
  }
  return Slice::made(size, [this](std::span<std::byte> to) { copy_to(to); });
}

void SliceQueue::copy_to(std::span<std::byte> to) {
  DOHLE_ASSERT(to.size() <= size_, "more bytes are copied than have arrived");
  while (!to.empty()) {
    const std::size_t part = std::min(front().size(), to.size());
    std::memcpy(to.data(), front().data(), part);
    to = to.subspan(part);
    drop_front(part);
  }
}

std::size_t SliceQueue::move_to(SliceQueue& to, std::size_t max_bytes) {
  if (to.empty() && size_ <= max_bytes) {
    std::swap(*this, to);
    return to.size();
  }
  std::size_t moved = 0;
  while (moved < max_bytes && !empty()) {
    const std::size_t bytes = front().size();
    to.add(std::move(front()));
    size_ -= bytes;
    moved += bytes;
    ++first_;
  }
  if (empty()) clear();
  return moved;
}

void SliceQueue::clear() {
  slices_.clear();
  first_ = size_ = 0;
}

}  // namespace dohle
