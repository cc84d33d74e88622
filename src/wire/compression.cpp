#include "wire/compression.hpp"

#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "wire/big_endian.hpp"

namespace dohle::wire {

namespace {

constexpr std::size_t out_piece_bytes = 64 * 1024;
// Small batches may grow to this size whatever their ratio.
constexpr std::size_t ratio_free_bytes = std::size_t{1} << 20;
constexpr std::size_t xerial_block_bytes = 32 * 1024;
constexpr std::array<unsigned char, 16> xerial_header{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
                                                      0,    0,   0,   1,   0,   0,   0,   1};

Error damaged(Compression codec, std::string_view what) {
  return Error::client(Errc::malformed, std::string(name_of(codec)) + ": " + std::string(what));
}

Error out_of_memory(Compression codec) {
  return Error::client(Errc::limit_reached,
                       std::string(name_of(codec)) + ": the codec could not get its memory");
}

/// Output of a decompressor: one growing buffer under the limits.
class Output {
 public:
  Output(Compression codec, std::size_t input_bytes, const DecompressionLimits& limits)
      : codec_(codec),
        limit_(std::min(limits.bytes_max,
                        std::max(ratio_free_bytes, input_bytes > SIZE_MAX / limits.ratio_max
                                                       ? SIZE_MAX
                                                       : input_bytes * limits.ratio_max))) {
    grow_to(std::min(limit_, std::max<std::size_t>(4 * input_bytes, 1024)));
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() {
    if (buffer_ != nullptr) buffer_->release();
  }

  [[nodiscard]] std::span<std::byte> room() const {
    return {buffer_->data() + size_, buffer_->size() - size_};
  }
  void wrote(std::size_t bytes) { size_ += bytes; }
  [[nodiscard]] bool is_full() const { return size_ == buffer_->size(); }

  /// Makes room for at least `bytes` more.
  Result<void> need(std::size_t bytes) {
    if (buffer_->size() - size_ >= bytes) return {};
    if (bytes > limit_ - size_) {
      return fail(Error::client(Errc::too_large, std::string(name_of(codec_)) +
                                                     ": decompresses to more than the limit of " +
                                                     std::to_string(limit_) + " bytes"));
    }
    grow_to(std::min(limit_, std::max(size_ + bytes, 2 * buffer_->size())));
    return {};
  }

  [[nodiscard]] Slice take() {
    Buffer* buffer = std::exchange(buffer_, nullptr);
    return {buffer, buffer->data(), size_};
  }

 private:
  void grow_to(std::size_t capacity) {
    Buffer* larger = Buffer::allocate(capacity);
    if (buffer_ != nullptr) {
      std::memcpy(larger->data(), buffer_->data(), size_);
      buffer_->release();
    }
    buffer_ = larger;
  }

  Compression codec_;
  std::size_t limit_;
  Buffer* buffer_ = nullptr;
  std::size_t size_ = 0;
};

/// Output of a compressor: pieces of 64 KiB.
class Pieces {
 public:
  [[nodiscard]] std::span<std::byte> room() {
    if (buffer_ != nullptr && size_ == buffer_->size()) close();
    if (buffer_ == nullptr) buffer_ = Buffer::allocate(capacity_);
    return {buffer_->data() + size_, buffer_->size() - size_};
  }
  /// As room(), with at least `bytes` (a codec that cannot stop half-way).
  [[nodiscard]] std::span<std::byte> room(std::size_t bytes) {
    if (buffer_ != nullptr && buffer_->size() - size_ < bytes) close();
    capacity_ = std::max(out_piece_bytes, bytes);
    return room();
  }
  void wrote(std::size_t bytes) { size_ += bytes; }
  [[nodiscard]] Chain take() {
    close();
    return std::move(chain_);
  }
  Pieces() = default;
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;
  ~Pieces() { close(); }

 private:
  void close() {
    if (buffer_ == nullptr) return;
    Buffer* buffer = std::exchange(buffer_, nullptr);
    chain_.append(Slice(buffer, buffer->data(), std::exchange(size_, 0)));
  }

  Chain chain_;
  Buffer* buffer_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = out_piece_bytes;
};

std::vector<Bytes> slices_of(const Chain& input) {
  std::vector<Bytes> slices;
  slices.reserve(input.pieces().size());
  for (const auto& piece : input.pieces()) slices.push_back(std::get<Slice>(piece).bytes());
  return slices;
}

Result<int> checked_level(Compression codec, std::optional<int> level, int fallback, int lowest,
                          int highest) {
  const int wanted = level.value_or(fallback);
  if (wanted >= lowest && wanted <= highest) return wanted;
  return fail(Error::configuration("compression level " + std::to_string(wanted) + " of " +
                                   std::string(name_of(codec)) + ": allowed are " +
                                   std::to_string(lowest) + " to " + std::to_string(highest)));
}

// --- gzip ---------------------------------------------------------------------------------------

constexpr int gzip_window = 15 + 16;  // zlib's way of asking for gzip's header and trailer

unsigned char* zlib_bytes(const std::byte* bytes) {
  return reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes));
}

Result<Chain> gzip(std::optional<int> level, const Chain& input) {
  const auto checked = checked_level(Compression::gzip, level, 6, 1, 9);
  if (!checked) return fail(checked.error());
  z_stream stream{};
  if (deflateInit2(&stream, *checked, Z_DEFLATED, gzip_window, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return fail(out_of_memory(Compression::gzip));
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> ending(&stream, deflateEnd);
  Pieces out;
  const auto drain = [&](int flush) {
    int status = Z_OK;
    do {
      const auto room = out.room();
      stream.next_out = zlib_bytes(room.data());
      stream.avail_out = static_cast<uInt>(room.size());
      status = deflate(&stream, flush);
      out.wrote(room.size() - stream.avail_out);
    } while (stream.avail_out == 0 && status != Z_STREAM_END);
  };
  for (const Bytes slice : slices_of(input)) {
    stream.next_in = zlib_bytes(slice.data());
    stream.avail_in = static_cast<uInt>(slice.size());
    drain(Z_NO_FLUSH);
  }
  drain(Z_FINISH);
  return out.take();
}

Result<Slice> gunzip(Bytes input, const DecompressionLimits& limits) {
  z_stream stream{};
  if (inflateInit2(&stream, gzip_window) != Z_OK) return fail(out_of_memory(Compression::gzip));
  const std::unique_ptr<z_stream, int (*)(z_stream*)> ending(&stream, inflateEnd);
  Output out(Compression::gzip, input.size(), limits);
  stream.next_in = zlib_bytes(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  for (;;) {
    if (auto roomy = out.need(1); !roomy) return fail(roomy.error());
    const auto room = out.room();
    stream.next_out = zlib_bytes(room.data());
    stream.avail_out = static_cast<uInt>(std::min<std::size_t>(room.size(), UINT32_MAX));
    const auto before = stream.avail_out;
    const int status = inflate(&stream, Z_NO_FLUSH);
    out.wrote(before - stream.avail_out);
    if (status == Z_STREAM_END) {
      if (stream.avail_in == 0) return out.take();
      // A gzip file may consist of several members (RFC 1952, 2.2).
      if (inflateReset(&stream) != Z_OK) return fail(damaged(Compression::gzip, "bad member"));
      continue;
    }
    if (status != Z_OK && status != Z_BUF_ERROR) {
      return fail(damaged(Compression::gzip, stream.msg != nullptr ? stream.msg : "bad stream"));
    }
    if (stream.avail_in == 0 && stream.avail_out != 0) {
      return fail(damaged(Compression::gzip, "truncated stream"));
    }
  }
}

// --- lz4 ----------------------------------------------------------------------------------------

Result<Chain> lz4(std::optional<int> level, const Chain& input) {
  const auto checked = checked_level(Compression::lz4, level, 1, 1, 17);
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
  for (const Bytes slice : slices_of(input)) {
    const auto room = out.room(LZ4F_compressBound(slice.size(), &preferences));
    wrote(LZ4F_compressUpdate(context, room.data(), room.size(), slice.data(), slice.size(),
                              nullptr));
  }
  const auto trailer = out.room(LZ4F_compressBound(0, &preferences));
  wrote(LZ4F_compressEnd(context, trailer.data(), trailer.size(), nullptr));
  if (fault != 0) {
    return fail(
        Error::client(Errc::limit_reached, std::string("lz4: ") + LZ4F_getErrorName(fault)));
  }
  return out.take();
}

Result<Slice> unlz4(Bytes input, const DecompressionLimits& limits) {
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

// --- zstd ---------------------------------------------------------------------------------------

Result<Chain> zstd(std::optional<int> level, const Chain& input) {
  const auto checked =
      checked_level(Compression::zstd, level, 3, std::max(-131072, ZSTD_minCLevel()), 22);
  if (!checked) return fail(checked.error());
  const std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(),
                                                                        ZSTD_freeCCtx);
  if (context == nullptr) return fail(out_of_memory(Compression::zstd));
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, *checked);
  Pieces out;
  const auto feed = [&](Bytes bytes, ZSTD_EndDirective directive) -> Result<void> {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    for (;;) {
      const auto room = out.room();
      ZSTD_outBuffer to{room.data(), room.size(), 0};
      const std::size_t left = ZSTD_compressStream2(context.get(), &to, &in, directive);
      if (ZSTD_isError(left) != 0) {
        return fail(
            Error::client(Errc::limit_reached, std::string("zstd: ") + ZSTD_getErrorName(left)));
      }
      out.wrote(to.pos);
      const bool done = directive == ZSTD_e_end ? left == 0 : in.pos == in.size;
      if (done) return {};
    }
  };
  for (const Bytes slice : slices_of(input)) {
    if (auto fed = feed(slice, ZSTD_e_continue); !fed) return fail(fed.error());
  }
  if (auto fed = feed({}, ZSTD_e_end); !fed) return fail(fed.error());
  return out.take();
}

Result<Slice> unzstd(Bytes input, const DecompressionLimits& limits) {
  const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                        ZSTD_freeDCtx);
  if (context == nullptr) return fail(out_of_memory(Compression::zstd));
  // The window is what a frame may make the decoder allocate: 2^23 is zstd's own default and what
  // levels up to 19 write; level 22 writes 2^27.
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, 27);
  Output out(Compression::zstd, input.size(), limits);
  ZSTD_inBuffer in{input.data(), input.size(), 0};
  std::size_t hint = 1;
  for (;;) {
    if (auto roomy = out.need(1); !roomy) return fail(roomy.error());
    const auto room = out.room();
    ZSTD_outBuffer to{room.data(), room.size(), 0};
    hint = ZSTD_decompressStream(context.get(), &to, &in);
    if (ZSTD_isError(hint) != 0) return fail(damaged(Compression::zstd, ZSTD_getErrorName(hint)));
    out.wrote(to.pos);
    if (in.pos == in.size && to.pos < to.size) break;
  }
  if (hint != 0) return fail(damaged(Compression::zstd, "truncated frame"));
  return out.take();
}

// --- snappy -------------------------------------------------------------------------------------

Result<Chain> xerial_snappy(const Chain& input) {
  Chain out;
  out.append(Slice::borrowed(std::as_bytes(std::span(xerial_header))));
  std::vector<char> block;
  block.reserve(xerial_block_bytes);
  const auto close_block = [&] {
    if (block.empty()) return;
    Buffer* buffer = Buffer::allocate(4 + snappy::MaxCompressedLength(block.size()));
    std::size_t size = 0;
    snappy::RawCompress(block.data(), block.size(), reinterpret_cast<char*>(buffer->data() + 4),
                        &size);
    store_big_endian(buffer->data(), static_cast<std::uint32_t>(size));
    out.append(Slice(buffer, buffer->data(), 4 + size));
    block.clear();
  };
  for (const Bytes slice : slices_of(input)) {
    std::string_view text = as_text(slice);
    while (!text.empty()) {
      const auto part = text.substr(0, xerial_block_bytes - block.size());
      block.insert(block.end(), part.begin(), part.end());
      text.remove_prefix(part.size());
      if (block.size() == xerial_block_bytes) close_block();
    }
  }
  close_block();
  return out;
}

Result<void> unsnappy_block(Bytes block, Output& out) {
  const auto* text = reinterpret_cast<const char*>(block.data());
  std::size_t size = 0;
  if (!snappy::GetUncompressedLength(text, block.size(), &size)) {
    return fail(damaged(Compression::snappy, "a block without a length"));
  }
  // snappy copies at most 64 bytes per 3 of input: a length beyond that is a lie.
  if (size > 64 * block.size()) {
    return fail(damaged(Compression::snappy, "a block that claims more than it can hold"));
  }
  if (auto roomy = out.need(size); !roomy) return roomy;
  if (!snappy::RawUncompress(text, block.size(), reinterpret_cast<char*>(out.room().data()))) {
    return fail(damaged(Compression::snappy, "a damaged block"));
  }
  out.wrote(size);
  return {};
}

Result<Slice> unsnappy(Bytes input, const DecompressionLimits& limits) {
  Output out(Compression::snappy, input.size(), limits);
  const bool is_xerial = input.size() >= xerial_header.size() &&
                         std::memcmp(input.data(), xerial_header.data(), 8) == 0;
  if (!is_xerial) {
    if (auto block = unsnappy_block(input, out); !block) return fail(block.error());
    return out.take();
  }
  input = input.subspan(xerial_header.size());
  while (!input.empty()) {
    if (input.size() < 4) return fail(damaged(Compression::snappy, "truncated block length"));
    const auto size = load_big_endian<std::uint32_t>(input.data());
    input = input.subspan(4);
    if (size > input.size()) return fail(damaged(Compression::snappy, "truncated block"));
    if (auto block = unsnappy_block(input.first(size), out); !block) return fail(block.error());
    input = input.subspan(size);
  }
  return out.take();
}

}  // namespace

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
      return gzip(level, input);
    case Compression::snappy:
      return xerial_snappy(input);
    case Compression::lz4:
      return lz4(level, input);
    case Compression::zstd:
      return zstd(level, input);
  }
  return fail(Error::client(Errc::invalid_argument, "no such codec"));
}

Result<Slice> decompress(Compression codec, Bytes input, const DecompressionLimits& limits) {
  switch (codec) {
    case Compression::none:
      return Slice::copy_of(input);
    case Compression::gzip:
      return gunzip(input, limits);
    case Compression::snappy:
      return unsnappy(input, limits);
    case Compression::lz4:
      return unlz4(input, limits);
    case Compression::zstd:
      return unzstd(input, limits);
  }
  return fail(Error::client(Errc::malformed, "no such codec"));
}

}  // namespace dohle::wire
