#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "base/slice.hpp"

namespace dohle::sim {

/// Bytes as they arrive, taken off in pieces of a known size.
class ArrivedBytes {
 public:
  void add(Slice bytes);
  [[nodiscard]] std::size_t size() const { return size_; }
  /// The 4-byte length in front, left in place; nothing while it is not whole.
  [[nodiscard]] std::optional<std::int32_t> peek_length() const;
  void drop_length() { (void)take(4); }
  /// The next `size` bytes, which are there; shared where they arrived in one piece.
  [[nodiscard]] Slice take(std::size_t size);
  void clear();

 private:
  std::deque<Slice> pieces_;
  std::size_t size_ = 0;
};

}  // namespace dohle::sim
