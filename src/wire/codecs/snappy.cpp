#include <snappy.h>

#include <array>
#include <cstring>
#include <string>

#include "wire/big_endian.hpp"
#include "wire/codecs/buffers.hpp"
#include "wire/codecs/codecs.hpp"

// Java's clients frame snappy as the xerial library does: a header of 16 bytes, then blocks with
// their length in front. Others send one plain block.

namespace dohle::wire::codecs {

namespace {

constexpr std::size_t xerial_block_bytes = 32 * 1024;
constexpr std::size_t xerial_magic_bytes = 8;
// The magic, then version and oldest compatible version.
constexpr std::array<unsigned char, 16> xerial_header{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
                                                      0,    0,   0,   1,   0,   0,   0,   1};

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

}  // namespace

Result<Chain> compress_snappy(const Chain& input) {
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
    out.append(trimmed(buffer, 4 + size));
    block.clear();
  };
  for (const auto& piece : input.pieces()) {
    const Bytes slice = std::get<Slice>(piece).bytes();
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

Result<Slice> decompress_snappy(Bytes input, const DecompressionLimits& limits) {
  Output out(Compression::snappy, input.size(), limits);
  const bool is_xerial = input.size() >= xerial_header.size() &&
                         std::memcmp(input.data(), xerial_header.data(), xerial_magic_bytes) == 0;
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

}  // namespace dohle::wire::codecs
