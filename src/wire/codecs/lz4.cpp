#include <lz4frame.h>

#include <memory>

#include "wire/codecs/buffers.hpp"
#include "wire/codecs/codecs.hpp"

namespace dohle::wire::codecs {

namespace {

class Lz4Reader final : public Decompressor {
 public:
  explicit Lz4Reader(Bytes input) : at_(input.data()), left_(input.size()) {
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context_, LZ4F_VERSION)) != 0) {
      context_ = nullptr;
    }
  }
  Lz4Reader(const Lz4Reader&) = delete;
  Lz4Reader& operator=(const Lz4Reader&) = delete;
  ~Lz4Reader() override { LZ4F_freeDecompressionContext(context_); }
  /// False if lz4 got no memory.
  [[nodiscard]] bool is_ready() const { return context_ != nullptr; }

  Result<std::size_t> read(std::span<std::byte> to) override {
    // Once all input is taken, the context may still hold output that did not fit into a full
    // buffer.
    while (left_ > 0 || hint_ != 0) {
      std::size_t produced = to.size();
      std::size_t consumed = left_;
      hint_ = LZ4F_decompress(context_, to.data(), &produced, at_, &consumed, nullptr);
      if (LZ4F_isError(hint_) != 0) {
        return fail(damaged(Compression::lz4, LZ4F_getErrorName(hint_)));
      }
      at_ += consumed;
      left_ -= consumed;
      if (produced > 0) return produced;
      if (consumed == 0) return fail(damaged(Compression::lz4, "truncated frame"));
    }
    return std::size_t{0};
  }

 private:
  LZ4F_dctx* context_ = nullptr;
  const std::byte* at_;
  std::size_t left_;
  /// The number of bytes that the context expects next; 0 after a frame.
  std::size_t hint_ = 1;
};

}  // namespace

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

std::size_t min_content_of_lz4(Bytes input) {
  // Magic, flags and block size, then the content's size if the flags announce it.
  constexpr std::uint32_t magic = 0x184D2204;
  constexpr std::size_t flags_at = 4, size_at = 6;
  constexpr std::byte has_size{8};
  if (input.size() < size_at + sizeof(std::uint64_t)) return 0;
  if (load_little_endian<std::uint32_t>(input.data()) != magic) return 0;
  if ((input[flags_at] & has_size) == std::byte{0}) return 0;
  return load_little_endian<std::uint64_t>(input.data() + size_at);
}

Result<std::unique_ptr<Decompressor>> open_lz4(Bytes input) {
  auto reader = std::make_unique<Lz4Reader>(input);
  if (!reader->is_ready()) return fail(out_of_memory(Compression::lz4));
  return reader;
}

Result<Slice> decompress_lz4(Bytes input, const DecompressionLimits& limits) {
  Lz4Reader reader(input);
  if (!reader.is_ready()) return fail(out_of_memory(Compression::lz4));
  Output out(Compression::lz4, input, limits);
  if (auto drained = out.drain(reader); !drained) return fail(drained.error());
  return out.take();
}

}  // namespace dohle::wire::codecs
