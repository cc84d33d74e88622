#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <memory>

#include "wire/codecs/buffers.hpp"
#include "wire/codecs/codecs.hpp"

namespace dohle::wire::codecs {

namespace {

using Compressor = std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)>;
using Decompressor = std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)>;

Result<void> feed(ZSTD_CCtx* context, Bytes bytes, ZSTD_EndDirective directive, Pieces& out) {
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  for (;;) {
    const auto room = out.room();
    ZSTD_outBuffer to{room.data(), room.size(), 0};
    const std::size_t left = ZSTD_compressStream2(context, &to, &in, directive);
    if (ZSTD_isError(left) != 0) return fail(refused(Compression::zstd, ZSTD_getErrorName(left)));
    out.wrote(to.pos);
    if (directive == ZSTD_e_end ? left == 0 : in.pos == in.size) return {};
  }
}

// What the first frame says that it holds; nothing: it does not say.
std::optional<std::size_t> content_of(Bytes input) {
  const auto content = ZSTD_getFrameContentSize(input.data(), input.size());
  if (content == ZSTD_CONTENTSIZE_UNKNOWN || content == ZSTD_CONTENTSIZE_ERROR) return std::nullopt;
  return content;
}

bool claims_more_than(std::size_t limit, Bytes input) {
  return content_of(input).value_or(0) > limit;
}

// What to begin with: what the first frame says that it holds, if its bytes can justify that.
std::size_t first_guess(Bytes input) {
  const std::size_t guess = std::min(content_of(input).value_or(SIZE_MAX), 64 * input.size());
  return std::max<std::size_t>(guess, 256);
}

}  // namespace

std::optional<std::size_t> content_of_zstd(Bytes input) {
  const std::size_t frame = ZSTD_findFrameCompressedSize(input.data(), input.size());
  if (ZSTD_isError(frame) != 0 || frame != input.size()) return std::nullopt;
  return content_of(input);
}

Result<Chain> compress_zstd(std::optional<int> level, const Chain& input) {
  const auto checked =
      checked_level(Compression::zstd, level, {3, std::max(-131072, ZSTD_minCLevel()), 22});
  if (!checked) return fail(checked.error());
  const Compressor context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  if (context == nullptr) return fail(out_of_memory(Compression::zstd));
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, *checked);
  // Makes the tables as small as the input, and tells the reader what to expect.
  ZSTD_CCtx_setPledgedSrcSize(context.get(), input.size());
  Pieces out;
  for (const auto& piece : input.pieces()) {
    const Bytes slice = std::get<Slice>(piece).bytes();
    if (auto fed = feed(context.get(), slice, ZSTD_e_continue, out); !fed) return fail(fed.error());
  }
  if (auto fed = feed(context.get(), {}, ZSTD_e_end, out); !fed) return fail(fed.error());
  return out.take();
}

// All at once, and again into a larger buffer when it was too small. The streaming decoder would
// allocate the window that a frame asks for, up to 128 MiB for a few bytes of input; this one uses
// the output as its window.
Result<Slice> decompress_zstd(Bytes input, const DecompressionLimits& limits) {
  if (input.empty()) return fail(damaged(Compression::zstd, "truncated frame"));
  const Decompressor context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  if (context == nullptr) return fail(out_of_memory(Compression::zstd));
  if (claims_more_than(limits.max_bytes, input)) {
    return fail(beyond(Compression::zstd, limits.max_bytes));
  }
  Output out(Compression::zstd, limits, first_guess(input));
  for (;;) {
    const auto room = out.room();
    const std::size_t size =
        ZSTD_decompressDCtx(context.get(), room.data(), room.size(), input.data(), input.size());
    if (ZSTD_isError(size) == 0) {
      out.wrote(size);
      return out.take();
    }
    const auto code = ZSTD_getErrorCode(size);
    if (code == ZSTD_error_srcSize_wrong) {
      return fail(damaged(Compression::zstd, "truncated frame"));
    }
    if (code != ZSTD_error_dstSize_tooSmall) {
      return fail(damaged(Compression::zstd, ZSTD_getErrorName(size)));
    }
    if (auto grown = out.grow(); !grown) return fail(grown.error());
  }
}

}  // namespace dohle::wire::codecs
