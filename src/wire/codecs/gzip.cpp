#include <zlib.h>

#include <algorithm>
#include <memory>

#include "wire/codecs/buffers.hpp"
#include "wire/codecs/codecs.hpp"

namespace dohle::wire::codecs {

namespace {

constexpr int gzip_window = 15 + 16;  // adding 16 makes zlib use gzip's header and trailer

unsigned char* zlib_bytes(const std::byte* bytes) {
  return reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes));
}

class GzipReader final : public Decompressor {
 public:
  explicit GzipReader(Bytes input) : is_ready_(inflateInit2(&stream_, gzip_window) == Z_OK) {
    stream_.next_in = zlib_bytes(input.data());
    stream_.avail_in = static_cast<uInt>(input.size());
  }
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;
  ~GzipReader() override {
    if (is_ready_) inflateEnd(&stream_);
  }
  /// False if zlib got no memory.
  [[nodiscard]] bool is_ready() const { return is_ready_; }

  Result<std::size_t> read(std::span<std::byte> to) override {
    const auto room = static_cast<uInt>(std::min<std::size_t>(to.size(), UINT32_MAX));
    stream_.next_out = zlib_bytes(to.data());
    stream_.avail_out = room;
    while (stream_.avail_out == room && !is_ended_) {
      const int status = inflate(&stream_, Z_NO_FLUSH);
      if (status == Z_STREAM_END) {
        is_ended_ = stream_.avail_in == 0;
        // A gzip file may consist of several members (RFC 1952, 2.2).
        if (!is_ended_ && inflateReset(&stream_) != Z_OK) return broken("bad member");
        continue;
      }
      if (status != Z_OK && status != Z_BUF_ERROR) {
        return broken(stream_.msg != nullptr ? stream_.msg : "bad stream");
      }
      if (stream_.avail_in == 0 && stream_.avail_out != 0) return broken("truncated stream");
    }
    return room - stream_.avail_out;
  }

 private:
  static Result<std::size_t> broken(std::string_view what) {
    return fail(damaged(Compression::gzip, what));
  }

  z_stream stream_{};
  bool is_ready_;
  bool is_ended_ = false;
};

}  // namespace

Result<Chain> compress_gzip(std::optional<int> level, const Chain& input) {
  const auto checked = checked_level(Compression::gzip, level, {6, 1, 9});
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
  for (const auto& piece : input.pieces()) {
    const Bytes slice = std::get<Slice>(piece).bytes();
    stream.next_in = zlib_bytes(slice.data());
    stream.avail_in = static_cast<uInt>(slice.size());
    drain(Z_NO_FLUSH);
  }
  drain(Z_FINISH);
  return out.take();
}

std::size_t min_content_of_gzip(Bytes input) {
  // The trailer's size is that of the last member, modulo 2^32 (RFC 1952, 2.3.1).
  constexpr std::size_t header_bytes = 10, trailer_bytes = 8;
  if (input.size() < header_bytes + trailer_bytes) return 0;
  return load_little_endian<std::uint32_t>(input.data() + input.size() - 4);
}

Result<std::unique_ptr<Decompressor>> open_gzip(Bytes input) {
  auto reader = std::make_unique<GzipReader>(input);
  if (!reader->is_ready()) return fail(out_of_memory(Compression::gzip));
  return reader;
}

Result<Slice> decompress_gzip(Bytes input, const DecompressionLimits& limits) {
  GzipReader reader(input);
  if (!reader.is_ready()) return fail(out_of_memory(Compression::gzip));
  Output out(Compression::gzip, input, limits);
  if (auto drained = out.drain(reader); !drained) return fail(drained.error());
  return out.take();
}

}  // namespace dohle::wire::codecs
