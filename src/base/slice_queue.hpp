#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/slice.hpp"

namespace dohle {

/// Bytes as they arrive, in Slices, and taken off the front in pieces of any size. Taking shares
/// where the piece lies within one Slice, and copies otherwise.
class SliceQueue {
 public:
  void add(Slice slice);
  /// Bytes in it.
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  /// The first `size` bytes, which are there.
  [[nodiscard]] Slice take(std::size_t size);
  /// Moves the first `to.size()` bytes, which are there, to memory of the caller's.
  void copy_to(std::span<std::byte> to);
  /// Moves whole Slices to the end of `to` until at least `max_bytes` are moved or none is left;
  /// returns how many bytes.
  std::size_t move_to(SliceQueue& to, std::size_t max_bytes);
  void clear();

 private:
  [[nodiscard]] Slice& front() { return slices_[first_]; }
  void drop_front(std::size_t bytes);

  std::vector<Slice> slices_;
  std::size_t first_ = 0;  // those before it are taken
  std::size_t size_ = 0;
};

}  // namespace dohle
