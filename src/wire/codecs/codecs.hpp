#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "wire/big_endian.hpp"
#include "wire/compression.hpp"

// The codecs behind compress() and decompress(), one file each. compression.hpp documents them.

namespace dohle::wire::codecs {

[[nodiscard]] Result<Chain> compress_gzip(std::optional<int> level, const Chain& input);
[[nodiscard]] Result<Slice> decompress_gzip(Bytes input, const DecompressionLimits& limits);
[[nodiscard]] Result<std::unique_ptr<Decompressor>> open_gzip(Bytes input);
[[nodiscard]] Result<Chain> compress_snappy(const Chain& input);
[[nodiscard]] Result<Slice> decompress_snappy(Bytes input, const DecompressionLimits& limits);
[[nodiscard]] Result<std::unique_ptr<Decompressor>> open_snappy(Bytes input);
[[nodiscard]] Result<Chain> compress_lz4(std::optional<int> level, const Chain& input);
[[nodiscard]] Result<Slice> decompress_lz4(Bytes input, const DecompressionLimits& limits);
[[nodiscard]] Result<std::unique_ptr<Decompressor>> open_lz4(Bytes input);
[[nodiscard]] Result<Chain> compress_zstd(std::optional<int> level, const Chain& input);
[[nodiscard]] Result<Slice> decompress_zstd(Bytes input, const DecompressionLimits& limits);
[[nodiscard]] Result<std::unique_ptr<Decompressor>> open_zstd(Bytes input);

// Lower bound of the decompressed size that the input states, or 0 if it states none. Sources:
// gzip's trailer, the lengths of snappy's blocks (exact), the first frame of lz4 and zstd.
[[nodiscard]] std::size_t min_content_of_gzip(Bytes input);
[[nodiscard]] std::size_t content_of_snappy(Bytes input);
[[nodiscard]] std::size_t min_content_of_lz4(Bytes input);
[[nodiscard]] std::size_t min_content_of_zstd(Bytes input);

/// The decompressed size, if the input is a single frame that states it.
[[nodiscard]] std::optional<std::size_t> content_of_zstd(Bytes input);

template <std::integral T>
[[nodiscard]] inline T load_little_endian(const std::byte* from) {
  return std::byteswap(load_big_endian<T>(from));
}

/// Errors and checks that all codecs share.
[[nodiscard]] Error damaged(Compression codec, std::string_view what);
[[nodiscard]] Error out_of_memory(Compression codec);
/// too_large for output beyond the limit.
[[nodiscard]] Error beyond(Compression codec, std::size_t limit);
[[nodiscard]] Error refused(Compression codec, std::string_view what);

struct Levels {
  int fallback;
  int lowest;
  int highest;
};
[[nodiscard]] Result<int> checked_level(Compression codec, std::optional<int> level,
                                        const Levels& levels);

}  // namespace dohle::wire::codecs
