#include <lz4frame.h>

#include <memory>

#include "wire/codecs/buffers.hpp"
#include "wire/codecs/codecs.hpp"

namespace dohle::wire::codecs {

Result<Chain> compress_lz4(std::optional<int> level, const Chain& input) {
  const auto checked = checked_level(Compression::lz4, level, {1, 1, 17});
  if (!checked) return fail(checked.error());
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  preferences.compressionLevel = *checked;
  LZ4F_cctx* context = nullptr;
  if (LZ4F_isError(LZ4F_createCompressionContext(&context, LZ4F_VERSION)) != 0) {
    return fail(out_of_memory(Compression::lz4));
  }
  const std::unique_ptr<LZ4F_cctx, std::size_t (*)(LZ4F_cctx*)> ending(context,
                                                                       LZ4F_freeCompressionContext);
  Pieces out;
  std::size_t fault = 0;
  const auto wrote = [&](std::size_t result) {
    if (LZ4F_isError(result) != 0) {
      fault = result;
    } else {
      out.wrote(result);
    }
  };
  const auto header = out.room(LZ4F_HEADER_SIZE_MAX);
  wrote(LZ4F_compressBegin(context, header.data(), header.size(), &preferences));
  for (const auto& piece : input.pieces()) {
    const Bytes slice = std::get<Slice>(piece).bytes();
    const auto room = out.room(LZ4F_compressBound(slice.size(), &preferences));
    wrote(LZ4F_compressUpdate(context, room.data(), room.size(), slice.data(), slice.size(),
                              nullptr));
  }
  const auto trailer = out.room(LZ4F_compressBound(0, &preferences));
  wrote(LZ4F_compressEnd(context, trailer.data(), trailer.size(), nullptr));
  if (fault != 0) {
    return fail(refused(Compression::lz4, LZ4F_getErrorName(fault)));
  }
  return out.take();
}

Result<Slice> decompress_lz4(Bytes input, const DecompressionLimits& limits) {
  LZ4F_dctx* context = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)) != 0) {
    return fail(out_of_memory(Compression::lz4));
  }
  const std::unique_ptr<LZ4F_dctx, std::size_t (*)(LZ4F_dctx*)> ending(
      context, LZ4F_freeDecompressionContext);
  Output out(Compression::lz4, input.size(), limits);
  const std::byte* at = input.data();
  std::size_t left = input.size();
  std::size_t hint = 1;
  while (left > 0) {
    if (auto roomy = out.need(1); !roomy) return fail(roomy.error());
    const auto room = out.room();
    std::size_t produced = room.size();
    std::size_t consumed = left;
    hint = LZ4F_decompress(context, room.data(), &produced, at, &consumed, nullptr);
    if (LZ4F_isError(hint) != 0) return fail(damaged(Compression::lz4, LZ4F_getErrorName(hint)));
    out.wrote(produced);
    at += consumed;
    left -= consumed;
    if (produced == 0 && consumed == 0) break;
  }
  // All input is taken, but a full buffer may still hide output that the context keeps.
  while (hint != 0) {
    if (auto roomy = out.need(1); !roomy) return fail(roomy.error());
    const auto room = out.room();
    std::size_t produced = room.size();
    std::size_t consumed = 0;
    hint = LZ4F_decompress(context, room.data(), &produced, at, &consumed, nullptr);
    if (LZ4F_isError(hint) != 0) return fail(damaged(Compression::lz4, LZ4F_getErrorName(hint)));
    out.wrote(produced);
    if (produced == 0) break;
  }
  if (hint != 0) return fail(damaged(Compression::lz4, "truncated frame"));
  return out.take();
}

}  // namespace dohle::wire::codecs
