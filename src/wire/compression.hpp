#pragma once

#include <memory>
#include <optional>
#include <span>

#include "base/chain.hpp"
#include "dohle/error.hpp"
#include "wire/batch.hpp"

namespace dohle::wire {

/// Compresses the concatenation of `input`'s slices as Kafka's clients do: gzip (RFC 1952), LZ4
/// frames with independent 64 KiB blocks, zstd frames, snappy in xerial's framing with 32 KiB
/// blocks. `level` is on the codec's own scale. If absent: gzip 6 (1 to 9), lz4 1 (1 to 17; up to 2
/// is fast), zstd 3 (-131072 to 22). snappy has no levels. `input` may not contain file ranges.
/// Errors: configuration for a level out of range; limit_reached if the codec gets no memory.
[[nodiscard]] Result<Chain> compress(Compression codec, std::optional<int> level,
                                     const Chain& input);

/// Reverses `compress`; also decompresses plain snappy. The output buffer begins at the size that
/// the input states, or small, and grows up to the limits and up to the largest size that the codec
/// can produce from the input. A codec also takes working memory: 0.2 MiB (zstd), 40 KiB (gzip),
/// twice the block size of an lz4 frame (128 KiB to 8 MiB).
/// Errors: malformed for damaged or truncated input; too_large names the limit.
[[nodiscard]] Result<Slice> decompress(Compression codec, Bytes input,
                                       const DecompressionLimits& limits);

/// As `decompress`, but piece by piece.
class Decompressor {
 public:
  virtual ~Decompressor() = default;
  /// Writes the next bytes to the front of `to`, which is not empty. Returns their number, which is
  /// 0 only at the end. Errors as of `decompress`. After an error no further read is allowed.
  [[nodiscard]] virtual Result<std::size_t> read(std::span<std::byte> to) = 0;
};

/// `input` outlives the decompressor. Working memory: 40 KiB (gzip); twice the block size of an lz4
/// frame (128 KiB to 8 MiB); the window of a zstd frame (2 MiB at zstd's default level); one block
/// of snappy (32 KiB in the framing of Java's clients, the whole content in plain snappy).
/// Errors as of `decompress`; limit_reached for a zstd window over 128 MiB. A stated size over the
/// limit is refused here.
[[nodiscard]] Result<std::unique_ptr<Decompressor>> open_decompressor(
    Compression codec, Bytes input, const DecompressionLimits& limits);

/// Lower bound of the decompressed size of valid input, from its headers or its trailer. 0 if they
/// do not state it. Does not decompress.
[[nodiscard]] std::size_t min_decompressed_bytes(Compression codec, Bytes input);

/// Upper bound of the decompressed size, from the codec's largest ratio. For zstd it is the size
/// that its only frame states, which decompression enforces. 0 for Compression::none. Does not
/// decompress.
[[nodiscard]] std::size_t max_decompressed_bytes(Compression codec, Bytes input);

/// The name in Kafka's configuration, for instance "gzip".
[[nodiscard]] std::string_view name_of(Compression codec);

}  // namespace dohle::wire
