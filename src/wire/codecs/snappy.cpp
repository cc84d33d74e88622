#include <snappy.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "wire/big_endian.hpp"
#include "wire/codecs/buffers.hpp"
#include "wire/codecs/codecs.hpp"

// Java's clients frame snappy as the xerial library does: a header of 16 bytes, then blocks, each
// after its length. Other clients send one plain block.

namespace dohle::wire::codecs {

namespace {

constexpr std::size_t xerial_block_bytes = 32 * 1024;
constexpr std::size_t xerial_magic_bytes = 8;
// Magic, version, oldest compatible version.
constexpr std::array<unsigned char, 16> xerial_header{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
                                                      0,    0,   0,   1,   0,   0,   0,   1};

struct Block {
  Bytes compressed;
  /// The decompressed size that the block states.
  std::size_t size = 0;
};

/// Iterates over the blocks of either form.
class Blocks {
 public:
  explicit Blocks(Bytes input) : left_(input) {
    is_xerial_ = input.size() >= xerial_header.size() &&
                 std::memcmp(input.data(), xerial_header.data(), xerial_magic_bytes) == 0;
    if (is_xerial_) left_ = left_.subspan(xerial_header.size());
  }
  [[nodiscard]] bool is_at_end() const { return left_.empty() && (is_xerial_ || is_begun_); }
  Result<Block> next() {
    is_begun_ = true;
    Block block;
    if (!is_xerial_) {
      block.compressed = std::exchange(left_, {});
    } else {
      if (left_.size() < 4) return broken("truncated block length");
      const auto size = load_big_endian<std::uint32_t>(left_.data());
      if (size > left_.size() - 4) return broken("truncated block");
      block.compressed = left_.subspan(4, size);
      left_ = left_.subspan(4 + std::size_t{size});
    }
    if (!snappy::GetUncompressedLength(text_of(block), block.compressed.size(), &block.size)) {
      return broken("a block without a length");
    }
    // snappy copies at most 64 bytes per 3 bytes of input, so a larger stated length is false.
    if (block.size > 64 * block.compressed.size()) {
      return broken("a block states a size that it cannot have");
    }
    return block;
  }
  /// `to` has room for `block.size` bytes.
  static Result<void> decompress(const Block& block, std::byte* to) {
    if (snappy::RawUncompress(text_of(block), block.compressed.size(),
                              reinterpret_cast<char*>(to))) {
      return {};
    }
    return broken("a damaged block");
  }

 private:
  static const char* text_of(const Block& block) {
    return reinterpret_cast<const char*>(block.compressed.data());
  }
  static std::unexpected<Error> broken(std::string_view what) {
    return fail(damaged(Compression::snappy, what));
  }

  Bytes left_;
  bool is_xerial_ = false;
  bool is_begun_ = false;
};

class SnappyReader final : public Decompressor {
 public:
  explicit SnappyReader(Bytes input) : blocks_(input) {}

  Result<std::size_t> read(std::span<std::byte> to) override {
    while (rest_.empty()) {
      if (blocks_.is_at_end()) return std::size_t{0};
      const auto block = blocks_.next();
      if (!block) return fail(block.error());
      Result<void> done;
      if (block->size <= to.size()) {
        done = Blocks::decompress(*block, to.data());
        if (done && block->size > 0) return block->size;
      } else {
        rest_ = Slice::made(block->size, [&](std::span<std::byte> whole) {
          done = Blocks::decompress(*block, whole.data());
        });
      }
      if (!done) return fail(done.error());
    }
    const std::size_t size = std::min(to.size(), rest_.size());
    std::memcpy(to.data(), rest_.data(), size);
    rest_ = size == rest_.size() ? Slice() : rest_.sub(size);
    return size;
  }

 private:
  Blocks blocks_;
  /// Unread bytes of a block that was larger than the buffer given to `read`.
  Slice rest_;
};

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

std::size_t content_of_snappy(Bytes input) {
  std::size_t content = 0;
  for (Blocks blocks(input); !blocks.is_at_end();) {
    const auto block = blocks.next();
    if (!block) break;
    content += block->size;
  }
  return content;
}

Result<std::unique_ptr<Decompressor>> open_snappy(Bytes input) {
  return std::make_unique<SnappyReader>(input);
}

Result<Slice> decompress_snappy(Bytes input, const DecompressionLimits& limits) {
  Output out(Compression::snappy, input, limits);
  for (Blocks blocks(input); !blocks.is_at_end();) {
    const auto block = blocks.next();
    if (!block) return fail(block.error());
    if (auto roomy = out.need(block->size); !roomy) return fail(roomy.error());
    if (auto done = Blocks::decompress(*block, out.room().data()); !done) return fail(done.error());
    out.wrote(block->size);
  }
  return out.take();
}

}  // namespace dohle::wire::codecs
