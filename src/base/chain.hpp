#pragma once

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "base/slice.hpp"
#include "dohle/error.hpp"

namespace dohle {

class File;

/// Bytes of a file that have not been read. Keeps the file (and so its segment) alive.
struct FileRange {
  std::shared_ptr<File> file;
  std::uint64_t offset = 0;
  std::size_t size = 0;
};

/// A list of Slices and file ranges that stands for their concatenation. net writes it with gather
/// calls and sendfile, without flattening it.
class Chain {
 public:
  using Piece = std::variant<Slice, FileRange>;

  Chain() = default;
  explicit Chain(Slice slice) { append(std::move(slice)); }

  /// Empty pieces are dropped.
  void append(Slice slice) {
    if (slice.empty()) return;
    size_ += slice.size();
    pieces_.emplace_back(std::move(slice));
  }
  void append(FileRange range) {
    if (range.size == 0) return;
    size_ += range.size;
    pieces_.emplace_back(std::move(range));
  }
  void append(Chain other) {
    size_ += other.size_;
    for (Piece& piece : other.pieces_) pieces_.push_back(std::move(piece));
  }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] const std::vector<Piece>& pieces() const { return pieces_; }
  [[nodiscard]] std::vector<Piece>& pieces() { return pieces_; }

  /// Everything as one Slice; a single Slice is returned as it is. Reads file ranges, so it can
  /// fail. For pipes and tests; the hot paths never call it.
  [[nodiscard]] Result<Slice> flatten() const;

 private:
  std::vector<Piece> pieces_;
  std::size_t size_ = 0;
};

}  // namespace dohle
