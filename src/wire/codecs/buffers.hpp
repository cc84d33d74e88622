#pragma once

#include <span>

#include "base/chain.hpp"
#include "wire/compression.hpp"

namespace dohle::wire::codecs {

/// The first `used` bytes of `buffer`, whose ownership it takes. It copies them if they are less
/// than half of the buffer, since batches stay in queues and would keep the unused half allocated.
[[nodiscard]] Slice trimmed(Buffer* buffer, std::size_t used);

/// The output buffer of a decompressor, never larger than the limits. It begins at the decompressed
/// size that the input states, or small, and doubles. Once large (8 MiB) it grows to the largest
/// size that the input can decompress to: memory not written to is not resident, while smaller
/// buffers given up may be.
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
  /// Makes room for at least `bytes` more. Errors: too_large with codec and limit.
  Result<void> need(std::size_t bytes);
  /// Enlarges the room, for a codec that does not know how much it needs. Errors as of `need`.
  Result<void> grow();
  /// Writes all bytes of `source`. Errors as of `need` and of `source`.
  Result<void> drain(Decompressor& source);
  /// All written bytes, in a buffer of at most twice their size.
  [[nodiscard]] Slice take();

 private:
  [[nodiscard]] std::size_t next_capacity(std::size_t at_least) const;
  void grow_to(std::size_t capacity);
  [[nodiscard]] Error over_limit() const;

  Compression codec_;
  std::size_t limit_;
  /// Upper bound of the decompressed size.
  std::size_t most_;
  Buffer* buffer_ = nullptr;
  std::size_t size_ = 0;
};

/// The output of a compressor: pieces of 64 KiB, or larger ones on request. Pieces that are less
/// than half full are trimmed.
class Pieces {
 public:
  Pieces() = default;
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;
  ~Pieces() { close(); }

  /// The free part of the current piece: at least `bytes` bytes. `bytes` is at least 1.
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
