#pragma once

#include <span>

#include "base/chain.hpp"
#include "wire/compression.hpp"

namespace dohle::wire::codecs {

/// The first `used` bytes of `buffer`, which is taken over, or a copy of them when they are less
/// than half of it: batches wait in queues, and an empty half would wait with them.
[[nodiscard]] Slice trimmed(Buffer* buffer, std::size_t used);

/// Where a decompressor writes: one buffer, never beyond the limits. It begins with what the input
/// says that it decompresses to, or else with little, and doubles; once it is large it grows to all
/// that the input can decompress to. Memory that was not written to is not resident, and smaller
/// buffers that were given up may be.
class Output {
 public:
  Output(Compression codec, Bytes input, const DecompressionLimits& limits);
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output();

  [[nodiscard]] std::span<std::byte> room() const {
    return {buffer_->data() + size_, buffer_->size() - size_};
  }
  void wrote(std::size_t bytes) { size_ += bytes; }
  /// Makes room for at least `bytes` more. Error: too_large, naming codec and limit.
  Result<void> need(std::size_t bytes);
  /// Makes the room larger, for a codec that cannot say how much it needs. Errors as of `need`.
  Result<void> grow();
  /// Writes all that `source` gives. Errors as of `need` and of `source`.
  Result<void> drain(Decompressor& source);
  /// All that was written, in a buffer of less than twice the size.
  [[nodiscard]] Slice take();

 private:
  [[nodiscard]] std::size_t next_capacity(std::size_t at_least) const;
  void grow_to(std::size_t capacity);
  [[nodiscard]] Error over_limit() const;

  Compression codec_;
  std::size_t limit_;
  /// What the input decompresses to at most, as far as its codec tells.
  std::size_t most_;
  Buffer* buffer_ = nullptr;
  std::size_t size_ = 0;
};

/// Where a compressor writes: pieces of 64 KiB, or larger ones for a codec that cannot stop
/// half-way. What a piece did not use is given back.
class Pieces {
 public:
  Pieces() = default;
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;
  ~Pieces() { close(); }

  /// At least `bytes`, at least one.
  [[nodiscard]] std::span<std::byte> room(std::size_t bytes = 1);
  void wrote(std::size_t bytes) { size_ += bytes; }
  [[nodiscard]] Chain take();

 private:
  void close();

  Chain chain_;
  Buffer* buffer_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace dohle::wire::codecs
