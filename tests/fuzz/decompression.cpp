#include "round_trip.hpp"
#include "wire/compression.hpp"

// The first byte selects the codec; the rest is decompressed under a small limit. The result has to
// survive compression and decompression.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dohle;
  if (size == 0) return 0;
  const auto codec = static_cast<wire::Compression>(1 + data[0] % 4);
  const Bytes input{reinterpret_cast<const std::byte*>(data + 1), size - 1};
  constexpr std::size_t max_bytes = std::size_t{1} << 20;
  const auto text = wire::decompress(codec, input, {.max_bytes = max_bytes});
  if (!text) return 0;
  if (text->size() > max_bytes) fuzz::report("decompression", "more than the limit");
  const auto compressed = wire::compress(codec, std::nullopt, Chain(*text));
  if (!compressed) fuzz::report("decompression", "cannot be compressed again");
  const auto back = wire::decompress(codec, compressed->flatten()->bytes(), {});
  if (!back || back->text() != text->text()) fuzz::report("decompression", "comes back changed");
  return 0;
}
