#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <memory>

#include "wire/codecs/buffers.hpp"
#include "wire/codecs/codecs.hpp"

namespace dohle::wire::codecs {

namespace {

using Compressor = std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)>;
using Context = std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)>;

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

// The content size that the first frame states, if it states one.
std::optional<std::size_t> content_of(Bytes input) {
  const auto content = ZSTD_getFrameContentSize(input.data(), input.size());
  if (content == ZSTD_CONTENTSIZE_UNKNOWN || content == ZSTD_CONTENTSIZE_ERROR) return std::nullopt;
  return content;
}

/// Reads only the headers of frames and blocks (RFC 8878, 3.1).
class FrameWalk {
 public:
  explicit FrameWalk(Bytes input) : left_(input) {}

  /// Finds blocks that libzstd's two decoders treat differently, so that both readers refuse them.
  /// One decoder takes an empty compressed block for the end of a frame; the other accepts a
  /// repeated byte beyond the maximum block size. Null if there is no such block. The decoders
  /// themselves detect truncated input and input that is no frame.
  const char* find_fault() {
    while (enter_frame()) {
      bool is_last = false;
      while (!is_last) {
        constexpr std::size_t header_bytes = 3;
        constexpr unsigned repeated = 1, compressed = 2;
        if (left_.size() < header_bytes) return nullptr;
        const unsigned header = byte(0) | (byte(1) << 8) | (byte(2) << 16);
        const unsigned type = (header >> 1) & 3;
        const std::size_t size = header >> 3;
        is_last = (header & 1) != 0;
        if (type == compressed && size == 0) return "a compressed block without bytes";
        if (size > max_block_) return "a block is larger than its frame's window allows";
        if (!skip(header_bytes + (type == repeated ? 1 : size))) return nullptr;
      }
      if (has_checksum_ && !skip(4)) return nullptr;
    }
    return nullptr;
  }

 private:
  [[nodiscard]] unsigned byte(std::size_t at) const { return std::to_integer<unsigned>(left_[at]); }
  bool skip(std::size_t bytes) {
    const bool is_there = bytes <= left_.size();
    if (is_there) left_ = left_.subspan(bytes);
    return is_there;
  }
  static std::size_t window_of(unsigned descriptor) {
    const std::size_t base = std::size_t{1} << (10 + (descriptor >> 3));
    return base + base / 8 * (descriptor & 7);
  }
  bool enter_frame() {
    constexpr std::size_t descriptor_at = 4, skippable_header_bytes = 8;
    constexpr std::array<std::size_t, 4> dictionary_bytes{0, 1, 2, 4}, content_bytes{0, 2, 4, 8};
    while (left_.size() >= skippable_header_bytes) {
      const auto magic = load_little_endian<std::uint32_t>(left_.data());
      if ((magic & 0xFFFFFFF0U) != ZSTD_MAGIC_SKIPPABLE_START) {
        if (magic != ZSTD_MAGICNUMBER) return false;
        const unsigned descriptor = byte(descriptor_at);
        const bool is_single_segment = (descriptor & 0x20) != 0;
        has_checksum_ = (descriptor & 4) != 0;
        const std::size_t window =
            is_single_segment ? content_of(left_).value_or(0) : window_of(byte(descriptor_at + 1));
        max_block_ = std::min<std::size_t>(window, ZSTD_BLOCKSIZE_MAX);
        std::size_t content = content_bytes[descriptor >> 6];
        if (content == 0 && is_single_segment) content = 1;
        return skip(descriptor_at + 1 + (is_single_segment ? 0 : 1) +
                    dictionary_bytes[descriptor & 3] + content);
      }
      const auto size = load_little_endian<std::uint32_t>(left_.data() + 4);
      if (!skip(skippable_header_bytes + std::size_t{size})) return false;
    }
    return false;
  }

  Bytes left_;
  bool has_checksum_ = false;
  std::size_t max_block_ = 0;
};

/// Allocates the window that a frame asks for, up to 2^27 bytes as in Apache Kafka.
class ZstdReader final : public Decompressor {
 public:
  explicit ZstdReader(Bytes input)
      : context_(ZSTD_createDCtx(), ZSTD_freeDCtx), in_{input.data(), input.size(), 0} {
    if (context_ == nullptr) return;
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, max_window_log);
  }
  /// False if libzstd got no memory.
  [[nodiscard]] bool is_ready() const { return context_ != nullptr; }

  Result<std::size_t> read(std::span<std::byte> to) override {
    ZSTD_outBuffer out{to.data(), to.size(), 0};
    while (in_.pos < in_.size || !is_between_frames_) {
      const std::size_t before = in_.pos;
      if (is_between_frames_) enter_frame();
      const std::size_t hint = ZSTD_decompressStream(context_.get(), &out, &in_);
      if (ZSTD_isError(hint) != 0) return fail(fault_of(hint));
      given_ += out.pos;
      is_between_frames_ = hint == 0;
      // libzstd does not check the size if the last block is empty.
      if (is_between_frames_ && given_ != content_.value_or(given_)) {
        return fail(damaged(Compression::zstd, "a frame's content differs from its stated size"));
      }
      if (out.pos > 0) return out.pos;
      if (in_.pos == before) return fail(damaged(Compression::zstd, "truncated frame"));
    }
    return std::size_t{0};
  }

 private:
  static constexpr int max_window_log = 27;

  static Error fault_of(std::size_t result) {
    const auto code = ZSTD_getErrorCode(result);
    if (code == ZSTD_error_frameParameter_windowTooLarge) {
      return refused(Compression::zstd, "a frame asks for a window of more than 128 MiB");
    }
    if (code == ZSTD_error_memory_allocation) return out_of_memory(Compression::zstd);
    return damaged(Compression::zstd, ZSTD_getErrorName(result));
  }

  void enter_frame() {
    const auto* const input = static_cast<const std::byte*>(in_.src);
    content_ = content_of(Bytes(input, in_.size).subspan(in_.pos));
    given_ = 0;
  }

  Context context_;
  ZSTD_inBuffer in_;
  bool is_between_frames_ = true;
  /// The content size that the current frame states, if any, and the bytes read from it so far.
  std::optional<std::size_t> content_;
  std::size_t given_ = 0;
};

}  // namespace

std::size_t min_content_of_zstd(Bytes input) {
  return content_of(input).value_or(0);
}

Result<std::unique_ptr<Decompressor>> open_zstd(Bytes input) {
  if (input.empty()) return fail(damaged(Compression::zstd, "truncated frame"));
  if (const char* fault = FrameWalk(input).find_fault()) {
    return fail(damaged(Compression::zstd, fault));
  }
  auto reader = std::make_unique<ZstdReader>(input);
  if (!reader->is_ready()) return fail(out_of_memory(Compression::zstd));
  return reader;
}

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
  // Lets libzstd size its tables by the input and store the content size in the frame.
  ZSTD_CCtx_setPledgedSrcSize(context.get(), input.size());
  Pieces out;
  for (const auto& piece : input.pieces()) {
    const Bytes slice = std::get<Slice>(piece).bytes();
    if (auto fed = feed(context.get(), slice, ZSTD_e_continue, out); !fed) return fail(fed.error());
  }
  if (auto fed = feed(context.get(), {}, ZSTD_e_end, out); !fed) return fail(fed.error());
  return out.take();
}

// Decompresses all at once, and again into a larger buffer if it was too small. The streaming
// decoder would allocate the frame's window, up to 128 MiB for a few bytes of input; this decoder
// uses the output as its window.
Result<Slice> decompress_zstd(Bytes input, const DecompressionLimits& limits) {
  if (input.empty()) return fail(damaged(Compression::zstd, "truncated frame"));
  if (const char* fault = FrameWalk(input).find_fault()) {
    return fail(damaged(Compression::zstd, fault));
  }
  const Context context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  if (context == nullptr) return fail(out_of_memory(Compression::zstd));
  Output out(Compression::zstd, input, limits);
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
