#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <deque>
#include <optional>
#include <span>

#include "base/chain.hpp"

namespace dohle::net {

/// Bytes that wait to be written, in order, and how far the first of them are. Owns no socket.
/// Ranges of files stay such, but for short ones, which are read when they are appended.
class WriteQueue {
 public:
  void append(Chain bytes);
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// Bytes of slices.
  [[nodiscard]] std::size_t memory_size() const { return memory_size_; }

  /// A file range at the front that has a descriptor, to be sent by the kernel; null otherwise.
  [[nodiscard]] const FileRange* front_range() const;
  /// Fills `into` with the slices up to the next such range; returns how many.
  [[nodiscard]] std::size_t gather(std::span<iovec> into) const;
  /// The first `bytes` are written.
  void consume(std::size_t bytes);
  /// Turns ranges without a descriptor at the front into slices, 256 KiB at a time.
  Result<void> materialize_front();
  void clear();

 private:
  static void read_if_short(Chain::Piece& piece);

  std::deque<Chain::Piece> pieces_;
  std::size_t size_ = 0;
  std::size_t memory_size_ = 0;
};

}  // namespace dohle::net
