#include <zlib.h>

#include <algorithm>
#include <memory>

#include "wire/codecs/buffers.hpp"
#include "wire/codecs/codecs.hpp"

namespace dohle::wire::codecs {

namespace {

constexpr int gzip_window = 15 + 16;  // zlib's way of asking for gzip's header and trailer

unsigned char* zlib_bytes(const std::byte* bytes) {
  return reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes));
}

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

Result<Slice> decompress_gzip(Bytes input, const DecompressionLimits& limits) {
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

}  // namespace dohle::wire::codecs
