#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <deque>
#include <span>
#include <vector>

#include "base/chain.hpp"

namespace dohle {

/// Bytes that wait to be written, in order, and how far the first of them are. Owns no socket.
/// Ranges of files stay such, but for short ones, which are read when they are appended.
class WriteQueue {
 public:
  void append(Chain bytes);
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// Bytes of slices.
  [[nodiscard]] std::size_t memory_size() const { return memory_size_; }

  /// The file range at the front; null where a slice is.
  [[nodiscard]] const FileRange* front_range() const;
  /// Reads at most `max_bytes` of the range at the front into slices, which take its place.
  Result<void> read_front_range(std::size_t max_bytes);
  /// Fills `into` with the slices up to the next range; returns how many.
  [[nodiscard]] std::size_t gather(std::span<iovec> into) const;
  /// The first `bytes` are written.
  void consume(std::size_t bytes);
  /// Moves the first `max_bytes` to the end of `into`, or all; ranges are read. Returns how many
  /// bytes.
  Result<std::size_t> take_slices(std::size_t max_bytes, std::vector<Slice>& into);
  void clear();

 private:
  static void read_if_short(Chain::Piece& piece);

  std::deque<Chain::Piece> pieces_;
  std::size_t size_ = 0;
  std::size_t memory_size_ = 0;
};

}  // namespace dohle
