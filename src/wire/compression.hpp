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
/// blocks. `level`: the codec's own scale, nothing for its default (gzip 6 of 1 to 9, lz4 1 of 1 to
/// 17 [fast up to 2], zstd 3 of -131072 to 22); snappy has none. File ranges are not allowed in
/// `input`. Errors: configuration for a level out of range; limit_reached when the codec has no
/// memory.
[[nodiscard]] Result<Chain> compress(Compression codec, std::optional<int> level,
                                     const Chain& input);

/// Undoes `compress`, and plain snappy too, as one stream under `limits`: output begins with what
/// the input says of its size, or with little and grows, never beyond the limits or what the codec
/// can make of the input. Beside its output a
/// codec takes working memory of its own: 0.2 MiB (zstd), 40 KiB (gzip), twice the block size that
/// an lz4 frame names (128 KiB to 8 MiB). Errors: malformed (damaged or truncated input), too_large
/// (the limit is named).
[[nodiscard]] Result<Slice> decompress(Compression codec, Bytes input,
                                       const DecompressionLimits& limits);

/// Gives piece by piece what `decompress` gives whole.
class Decompressor {
 public:
  virtual ~Decompressor() = default;
  /// Writes what comes next to the front of `to`, which is not empty; returns how many bytes that
  /// are, 0 only at the end. Errors as of `decompress`; nothing can be read after one.
  [[nodiscard]] virtual Result<std::size_t> read(std::span<std::byte> to) = 0;
};

/// `input` outlives the decompressor. Beside what the caller gives to `read`, it takes: 40 KiB
/// (gzip), twice the block size that an lz4 frame names (128 KiB to 8 MiB), the window that a zstd
/// frame asks for (2 MiB at zstd's default level; over 128 MiB: limit_reached), one block of snappy
/// (32 KiB in the framing of Java's clients; of plain snappy the one block is all there is). Errors
/// as of `decompress`; what the input says of its size is checked here.
[[nodiscard]] Result<std::unique_ptr<Decompressor>> open_decompressor(
    Compression codec, Bytes input, const DecompressionLimits& limits);

/// What `input` decompresses to at least, if it decompresses at all, without decompressing it: by
/// what its headers or its trailer say. 0: they do not say.
[[nodiscard]] std::size_t min_decompressed_bytes(Compression codec, Bytes input);

/// What `input` decompresses to at most, without decompressing it: by what the codec can do, and of
/// zstd what its one frame says, which decompressing holds it to. 0 for none.
[[nodiscard]] std::size_t max_decompressed_bytes(Compression codec, Bytes input);

/// "gzip", as Kafka's configuration names it.
[[nodiscard]] std::string_view name_of(Compression codec);

}  // namespace dohle::wire
