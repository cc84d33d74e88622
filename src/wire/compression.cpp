#include "wire/compression.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "wire/codecs/codecs.hpp"

namespace dohle::wire {

namespace codecs {

namespace {

std::string about(Compression codec, std::string_view what) {
  return std::string(name_of(codec)) + ": " + std::string(what);
}

}  // namespace

Error damaged(Compression codec, std::string_view what) {
  return Error::client(Errc::malformed, about(codec, what));
}

Error out_of_memory(Compression codec) {
  return refused(codec, "the codec could not get its memory");
}

Error refused(Compression codec, std::string_view what) {
  return Error::client(Errc::limit_reached, about(codec, what));
}

Error beyond(Compression codec, std::size_t limit) {
  return Error::client(Errc::too_large, about(codec, "decompresses to more than the limit of " +
                                                         std::to_string(limit) + " bytes"));
}

Result<int> checked_level(Compression codec, std::optional<int> level, const Levels& levels) {
  const int wanted = level.value_or(levels.fallback);
  if (wanted >= levels.lowest && wanted <= levels.highest) return wanted;
  return fail(Error::configuration(
      "compression level " + std::to_string(wanted) + " of " + std::string(name_of(codec)) +
      ": allowed are " + std::to_string(levels.lowest) + " to " + std::to_string(levels.highest)));
}

}  // namespace codecs

std::string_view name_of(Compression codec) {
  switch (codec) {
    case Compression::none:
      return "none";
    case Compression::gzip:
      return "gzip";
    case Compression::snappy:
      return "snappy";
    case Compression::lz4:
      return "lz4";
    case Compression::zstd:
      return "zstd";
  }
  return "unknown codec";
}

Result<Chain> compress(Compression codec, std::optional<int> level, const Chain& input) {
  switch (codec) {
    case Compression::none:
      return input;
    case Compression::gzip:
      return codecs::compress_gzip(level, input);
    case Compression::snappy:
      return codecs::compress_snappy(input);
    case Compression::lz4:
      return codecs::compress_lz4(level, input);
    case Compression::zstd:
      return codecs::compress_zstd(level, input);
  }
  return fail(Error::client(Errc::invalid_argument, "no such codec"));
}

std::size_t max_decompressed_bytes(Compression codec, Bytes input) {
  constexpr std::size_t limit = DecompressionLimits{}.max_bytes;
  constexpr std::size_t deflate_ratio = 1'032, snappy_ratio = 22, lz4_ratio = 255;
  const auto at_ratio = [&](std::size_t ratio) {
    return std::min(limit, std::min(input.size(), limit) * ratio);
  };
  switch (codec) {
    case Compression::none:
      return 0;
    case Compression::gzip:
      return at_ratio(deflate_ratio);
    case Compression::snappy:
      return at_ratio(snappy_ratio);
    case Compression::lz4:
      return at_ratio(lz4_ratio);
    case Compression::zstd:
      return std::min(limit, codecs::content_of_zstd(input).value_or(limit));
  }
  return limit;
}

std::size_t min_decompressed_bytes(Compression codec, Bytes input) {
  switch (codec) {
    case Compression::none:
      return 0;
    case Compression::gzip:
      return codecs::min_content_of_gzip(input);
    case Compression::snappy:
      return codecs::content_of_snappy(input);
    case Compression::lz4:
      return codecs::min_content_of_lz4(input);
    case Compression::zstd:
      return codecs::min_content_of_zstd(input);
  }
  return 0;
}

namespace {

Result<void> check_what_it_says(Compression codec, Bytes input, const DecompressionLimits& limits) {
  if (min_decompressed_bytes(codec, input) <= limits.max_bytes) return {};
  return fail(codecs::beyond(codec, limits.max_bytes));
}

/// Fails once its source has given more than the limit.
class LimitedDecompressor final : public Decompressor {
 public:
  LimitedDecompressor(Compression codec, std::unique_ptr<Decompressor> source,
                      const DecompressionLimits& limits)
      : codec_(codec), source_(std::move(source)), limit_(limits.max_bytes) {}

  Result<std::size_t> read(std::span<std::byte> to) override {
    auto got = source_->read(to);
    if (!got) return got;
    if (*got > limit_ - given_) return fail(codecs::beyond(codec_, limit_));
    given_ += *got;
    return got;
  }

 private:
  Compression codec_;
  std::unique_ptr<Decompressor> source_;
  std::size_t limit_;
  std::size_t given_ = 0;
};

Result<std::unique_ptr<Decompressor>> open_without_limit(Compression codec, Bytes input) {
  switch (codec) {
    case Compression::none:
      break;
    case Compression::gzip:
      return codecs::open_gzip(input);
    case Compression::snappy:
      return codecs::open_snappy(input);
    case Compression::lz4:
      return codecs::open_lz4(input);
    case Compression::zstd:
      return codecs::open_zstd(input);
  }
  return fail(Error::client(Errc::malformed, "no such codec"));
}

}  // namespace

Result<std::unique_ptr<Decompressor>> open_decompressor(Compression codec, Bytes input,
                                                        const DecompressionLimits& limits) {
  if (auto fits = check_what_it_says(codec, input, limits); !fits) return fail(fits.error());
  auto source = open_without_limit(codec, input);
  if (!source) return source;
  return std::make_unique<LimitedDecompressor>(codec, *std::move(source), limits);
}

Result<Slice> decompress(Compression codec, Bytes input, const DecompressionLimits& limits) {
  if (auto fits = check_what_it_says(codec, input, limits); !fits) return fail(fits.error());
  switch (codec) {
    case Compression::none:
      return Slice::copy_of(input);
    case Compression::gzip:
      return codecs::decompress_gzip(input, limits);
    case Compression::snappy:
      return codecs::decompress_snappy(input, limits);
    case Compression::lz4:
      return codecs::decompress_lz4(input, limits);
    case Compression::zstd:
      return codecs::decompress_zstd(input, limits);
  }
  return fail(Error::client(Errc::malformed, "no such codec"));
}

}  // namespace dohle::wire
