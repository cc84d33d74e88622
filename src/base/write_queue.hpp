#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <deque>
#include <span>
#include <vector>

#include "base/chain.hpp"

namespace dohle {

/// Queued bytes to write, in order. Owns no socket. Ranges of files stay ranges, except those below
/// 16 KiB of files with a descriptor: they are read when they are appended.
class WriteQueue {
 public:
  void append(Chain bytes);
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// Queued bytes in memory, without ranges of files.
  [[nodiscard]] std::size_t memory_size() const { return memory_size_; }

  /// The file range at the front. Null if a slice is at the front, or if the queue is empty.
  [[nodiscard]] const FileRange* front_range() const;
  /// Replaces up to `max_bytes` of the range at the front by slices with its bytes.
  Result<void> read_front_range(std::size_t max_bytes);
  /// Fills `into` with the slices before the next range. Returns their number.
  [[nodiscard]] std::size_t gather(std::span<iovec> into) const;
  /// Removes the first `bytes`, which were written.
  void consume(std::size_t bytes);
  /// Moves up to `max_bytes` from the front to the end of `into`; ranges are read. Returns the
  /// number of bytes.
  Result<std::size_t> take_slices(std::size_t max_bytes, std::vector<Slice>& into);
  void clear();

 private:
  static void read_if_short(Chain::Piece& piece);

  std::deque<Chain::Piece> pieces_;
  std::size_t size_ = 0;
  std::size_t memory_size_ = 0;
};

}  // namespace dohle
