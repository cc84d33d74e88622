#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/slice.hpp"

namespace dohle {

/// Received bytes, in Slices. They are taken off the front in pieces of any size. A piece within
/// one Slice is shared; any other one is copied.
class SliceQueue {
 public:
  void add(Slice slice);
  /// Bytes in the queue.
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  /// Takes the first `size` bytes. The queue holds at least as many.
  [[nodiscard]] Slice take(std::size_t size);
  /// Moves the first `to.size()` bytes to the caller's memory. The queue holds at least as many.
  void copy_to(std::span<std::byte> to);
  /// Moves whole Slices to the end of `to` until at least `max_bytes` are moved or the queue is
  /// empty. Returns the number of bytes.
  std::size_t move_to(SliceQueue& to, std::size_t max_bytes);
  void clear();

 private:
  [[nodiscard]] Slice& front() { return slices_[first_]; }
  void drop_front(std::size_t bytes);

  std::vector<Slice> slices_;
  std::size_t first_ = 0;  // index; the Slices before it are taken
  std::size_t size_ = 0;
};

}  // namespace dohle
