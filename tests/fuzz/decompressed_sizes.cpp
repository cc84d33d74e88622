#include <array>
#include <string>

#include "round_trip.hpp"
#include "wire/compression.hpp"

// The bounds of a compressed input's size against its real size, and the same bytes decompressed in
// pieces. The first byte selects the codec, the last one the size of the pieces.

namespace {

using namespace dohle;

constexpr wire::DecompressionLimits limits{.max_bytes = std::size_t{64} << 10};

Result<std::string> in_pieces(wire::Compression codec, Bytes input, std::size_t piece) {
  const auto source = wire::open_decompressor(codec, input, limits);
  if (!source) return fail(source.error());
  std::string all;
  std::array<std::byte, 256> to;
  for (;;) {
    const auto got = (*source)->read(std::span(to).first(piece));
    if (!got) return fail(got.error());
    if (*got == 0) return all;
    if (*got > piece) fuzz::report("decompression", "writes more than it has room for");
    all += as_text(Bytes(to).first(*got));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto codec = static_cast<wire::Compression>(1 + data[0] % 4);
  const Slice input = Slice::copy_of(Bytes{reinterpret_cast<const std::byte*>(data + 1), size - 1});
  const auto whole = wire::decompress(codec, input.bytes(), limits);
  const std::size_t least = wire::min_decompressed_bytes(codec, input.bytes());
  const std::size_t most = wire::max_decompressed_bytes(codec, input.bytes());
  if (whole) {
    if (whole->size() < least) fuzz::report("decompression", "gives less than the input says");
    if (whole->size() > most) fuzz::report("decompression", "gives more than was said");
  }
  const std::size_t piece = 1 + data[size - 1];
  const auto pieces = in_pieces(codec, input.bytes(), piece);
  if (pieces && (!whole || whole->text() != *pieces)) {
    fuzz::report("decompression", "gives other bytes in pieces");
  }
  // A zstd frame may have a window of more than 128 MiB.
  if (whole && !pieces && !pieces.error().is(Errc::limit_reached)) {
    fuzz::report("decompression", "gives nothing in pieces");
  }
  return 0;
}
