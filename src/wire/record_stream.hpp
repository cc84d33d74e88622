#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "wire/compression.hpp"
#include "wire/record_walk.hpp"

namespace dohle::wire {

/// Reads records while they are decompressed, in a window that may be smaller than a record.
/// `source` and `window` outlive it. The window has at least `min_record_window_bytes`.
class RecordStream {
 public:
  RecordStream(Decompressor& source, std::span<std::byte> window)
      : source_(&source), window_(window), at_(window.data()), end_(window.data()) {}

  /// As `read_record`. The parts are valid until the next call. Of a record larger than the window
  /// only the numbers are valid.
  [[nodiscard]] const char* next(RecordParts& parts);
  /// Whether no byte is left. Decompresses more bytes if the window is empty.
  [[nodiscard]] bool is_at_end();
  /// The error of the decompressor, if any. It replaces the fault that `next` returned.
  [[nodiscard]] const std::optional<Error>& fault() const { return fault_; }

 private:
  class Walk;

  [[nodiscard]] std::size_t available() const { return static_cast<std::size_t>(end_ - at_); }
  /// Makes at least `bytes` (at most the window's size) available at `at_`, unless the records end
  /// earlier.
  void fill(std::size_t bytes) {
    if (available() < bytes && !is_ended_) read(bytes);
  }
  void read(std::size_t bytes);
  /// False if the records end earlier.
  [[nodiscard]] bool skip(std::size_t bytes);

  Decompressor* source_;
  std::span<std::byte> window_;
  /// The decompressed bytes in the window that are not read yet.
  const std::byte* at_;
  const std::byte* end_;
  bool is_ended_ = false;
  /// A skip reached beyond the end of the records.
  bool is_cut_ = false;
  std::optional<Error> fault_;
};

}  // namespace dohle::wire
