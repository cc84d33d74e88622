#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "wire/compression.hpp"
#include "wire/record_walk.hpp"

namespace dohle::wire {

/// Reads record after record while they are decompressed, in a window that may be smaller than a
/// record. `source` and `window` outlive it; the window has at least `min_record_window_bytes`.
class RecordStream {
 public:
  RecordStream(Decompressor& source, std::span<std::byte> window)
      : source_(&source), window_(window), at_(window.data()), end_(window.data()) {}

  /// As `read_record`. The parts are valid until the next call; of a record that is larger than
  /// the window only its numbers are.
  [[nodiscard]] const char* next(RecordParts& parts);
  /// Decompresses on when nothing is left in the window.
  [[nodiscard]] bool is_at_end();
  /// Why decompressing failed, if it did. A record's fault then means nothing.
  [[nodiscard]] const std::optional<Error>& fault() const { return fault_; }

 private:
  class Walk;

  [[nodiscard]] std::size_t available() const { return static_cast<std::size_t>(end_ - at_); }
  /// Has at least `bytes`, at most the window's size, from `at_` on, unless the records end before.
  void fill(std::size_t bytes) {
    if (available() < bytes && !is_ended_) read(bytes);
  }
  void read(std::size_t bytes);
  /// False: the records end before.
  [[nodiscard]] bool skip(std::size_t bytes);

  Decompressor* source_;
  std::span<std::byte> window_;
  /// Inside the window: what was decompressed and not yet read.
  const std::byte* at_;
  const std::byte* end_;
  bool is_ended_ = false;
  /// Something was to be skipped that reaches beyond the end.
  bool is_cut_ = false;
  std::optional<Error> fault_;
};

}  // namespace dohle::wire
