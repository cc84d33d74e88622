#include "wire/compression.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace dohle::wire {
namespace {

class CompressionTest : public testing::TestWithParam<Compression> {
 protected:
  static Chain chain_of(const std::string& text, std::size_t piece) {
    Chain chain;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      chain.append(Slice::copy_of(std::string_view(text).substr(at, piece)));
    }
    return chain;
  }
  static std::string compressible(std::size_t size) {
    std::string text;
    for (std::size_t i = 0; text.size() < size; ++i) text += "line " + std::to_string(i * i) + "\n";
    text.resize(size);
    return text;
  }
  static std::string noise(std::size_t size) {
    SeededRandom random(size);
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random.next());
    return text;
  }
};

TEST_P(CompressionTest, restores_bytes_from_pieces_of_any_size) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{100}, std::size_t{32 * 1024},
                                 std::size_t{70'000}, std::size_t{1} << 20}) {
    for (const std::string& text : {compressible(size), noise(size)}) {
      const auto compressed = compress(GetParam(), std::nullopt, chain_of(text, 16 * 1024));
      ASSERT_TRUE(compressed.has_value());
      const auto back = decompress(GetParam(), compressed->flatten()->bytes(), {});
      ASSERT_TRUE(back.has_value()) << back.error().to_string();
      EXPECT_EQ(back->text(), text);
    }
  }
}

TEST_P(CompressionTest, decompresses_the_same_bytes_in_pieces_of_any_size) {
  for (const std::string& text : {std::string("x"), compressible(200'000), noise(70'000)}) {
    const Slice input = *compress(GetParam(), std::nullopt, chain_of(text, 16 * 1024))->flatten();
    for (const std::size_t piece : {std::size_t{1}, std::size_t{1'000}, std::size_t{500'000}}) {
      const auto source = open_decompressor(GetParam(), input.bytes(), {});
      ASSERT_TRUE(source.has_value()) << source.error().to_string();
      std::string back;
      std::vector<std::byte> to(piece);
      for (;;) {
        const auto got = (*source)->read(to);
        ASSERT_TRUE(got.has_value()) << got.error().to_string();
        if (*got == 0) break;
        back += as_text(Bytes(to).first(*got));
      }
      EXPECT_EQ(back, text) << piece;
    }
  }
}

TEST_P(CompressionTest, truncated_input_is_an_error) {
  const std::string text = compressible(5'000);
  const Slice whole = *compress(GetParam(), std::nullopt, chain_of(text, 1'000))->flatten();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto back = decompress(GetParam(), whole.bytes().first(size), {});
    if (back) {
      // Snappy's framing has no end mark: only the batch's record count reveals a cut between
      // blocks.
      EXPECT_EQ(GetParam(), Compression::snappy) << size;
      EXPECT_LT(back->size(), text.size());
    }
  }
}

TEST_P(CompressionTest, a_bomb_stops_at_the_limit_and_names_it) {
  const std::string zeros(std::size_t{16} << 20, '\0');
  const Slice bomb = *compress(GetParam(), std::nullopt, chain_of(zeros, 1 << 20))->flatten();
  const auto absolute = decompress(GetParam(), bomb.bytes(), {.max_bytes = 1'000'000});
  ASSERT_FALSE(absolute.has_value());
  EXPECT_TRUE(absolute.error().is(Errc::too_large));
  EXPECT_NE(absolute.error().message().find("1000000"), std::string_view::npos);
  EXPECT_EQ(decompress(GetParam(), bomb.bytes(), {.max_bytes = zeros.size()})->size(),
            zeros.size());
}

TEST_P(CompressionTest, a_limit_of_zero_refuses_everything) {
  const Slice whole = *compress(GetParam(), std::nullopt, chain_of("some text", 9))->flatten();
  EXPECT_FALSE(decompress(GetParam(), whole.bytes(), {.max_bytes = 0}).has_value());
}

TEST_P(CompressionTest, uses_at_most_twice_the_memory_of_its_bytes) {
  for (const std::string& text : {compressible(5'000), noise(5'000), compressible(300'000)}) {
    const Chain compressed = *compress(GetParam(), std::nullopt, chain_of(text, 16 * 1024));
    for (const auto& piece : compressed.pieces()) {
      const Slice& slice = std::get<Slice>(piece);
      if (slice.buffer() == nullptr) continue;  // snappy's constant header
      EXPECT_LE(slice.buffer()->size(), 2 * slice.size() + 64);
    }
    const Slice back = *decompress(GetParam(), compressed.flatten()->bytes(), {});
    EXPECT_LE(back.buffer()->size(), 2 * back.size() + 64);
  }
}

TEST_P(CompressionTest, flipped_bits_never_crash) {
  const Slice whole =
      *compress(GetParam(), std::nullopt, chain_of(compressible(3'000), 500))->flatten();
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    const Slice damaged = Slice::made(whole.size(), [&](std::span<std::byte> to) {
      std::memcpy(to.data(), whole.data(), whole.size());
      to[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    });
    const auto back = decompress(GetParam(), damaged.bytes(), {.max_bytes = 1 << 20});
    if (back) {
      EXPECT_LE(back->size(), std::size_t{1} << 20);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Codecs, CompressionTest,
                         testing::Values(Compression::gzip, Compression::snappy, Compression::lz4,
                                         Compression::zstd),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST(Compression, levels_out_of_range_are_refused_by_name) {
  const Chain input(Slice::copy_of("x"));
  for (const auto& [codec, level] : {std::pair{Compression::gzip, 10},
                                     {Compression::gzip, 0},
                                     {Compression::lz4, 18},
                                     {Compression::zstd, 23}}) {
    const auto refused = compress(codec, level, input);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().category(), ErrorCategory::configuration);
    EXPECT_NE(refused.error().message().find(std::to_string(level)), std::string_view::npos);
  }
}

TEST(Compression, plain_snappy_is_read_as_well) {
  // Snappy's format by hand: length 5, then a literal of 5 bytes.
  const std::string plain("\x05\x10hello", 7);
  EXPECT_EQ(decompress(Compression::snappy, as_bytes(plain), {})->text(), "hello");
}

// These inputs cannot be decompressed, so an error about size proves that it was checked first.
TEST(Compression, sizes_named_by_the_input_are_checked_before_anything_is_decompressed) {
  const auto text = [](const auto& bytes) {
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  const std::string zeros(1'000'000, '\0');
  const auto compressed = [&](Compression codec) {
    return text(
        compress(codec, std::nullopt, Chain(Slice::borrowed(as_bytes(zeros))))->flatten()->bytes());
  };
  std::string gzip = compressed(Compression::gzip);
  gzip.replace(0, 2, "xx");
  std::string zstd = compressed(Compression::zstd);
  zstd.resize(zstd.size() / 2);
  // An lz4 header with a content size of 1,000,000 and no data.
  const std::string lz4("\x04\x22\x4d\x18\x68\x40\x40\x42\x0f\x00\x00\x00\x00\x00\x00", 15);
  std::string snappy = compressed(Compression::snappy);
  snappy.back() ^= '\xff';
  for (const auto& [codec, input] : {std::pair{Compression::gzip, gzip},
                                     {Compression::zstd, zstd},
                                     {Compression::lz4, lz4},
                                     {Compression::snappy, snappy}}) {
    EXPECT_EQ(min_decompressed_bytes(codec, as_bytes(input)), zeros.size()) << name_of(codec);
    const auto whole = decompress(codec, as_bytes(input), {.max_bytes = 999'999});
    ASSERT_FALSE(whole.has_value());
    EXPECT_TRUE(whole.error().is(Errc::too_large)) << whole.error().to_string();
    const auto opened = open_decompressor(codec, as_bytes(input), {.max_bytes = 999'999});
    ASSERT_FALSE(opened.has_value());
    EXPECT_TRUE(opened.error().is(Errc::too_large)) << opened.error().to_string();
  }
}

// Found by fuzzing: libzstd's streaming decoder takes the block for the end of the frame.
TEST(Compression, an_empty_compressed_block_of_zstd_is_damage_in_pieces_too) {
  // A frame header with a window, a raw block of one byte, and an empty last block of type
  // compressed.
  const std::string frame("\x28\xb5\x2f\xfd\x00\x58\x08\x00\x00x\x05\x00\x00", 13);
  EXPECT_FALSE(decompress(Compression::zstd, as_bytes(frame), {}).has_value());
  EXPECT_FALSE(open_decompressor(Compression::zstd, as_bytes(frame), {}).has_value());
  std::string whole = frame;
  whole[10] = 1;  // raw
  EXPECT_EQ(decompress(Compression::zstd, as_bytes(whole), {})->text(), "x");
  EXPECT_TRUE(open_decompressor(Compression::zstd, as_bytes(whole), {}).has_value());
  // After another frame and a skippable one.
  const std::string skippable("\x50\x2a\x4d\x18\x02\x00\x00\x00..", 10);
  EXPECT_TRUE(open_decompressor(Compression::zstd, as_bytes(whole + skippable), {}).has_value());
  EXPECT_FALSE(
      open_decompressor(Compression::zstd, as_bytes(whole + skippable + frame), {}).has_value());
}

// Found by fuzzing: only libzstd's streaming decoder checks it.
TEST(Compression, a_block_of_zstd_that_is_larger_than_its_window_allows_is_damage) {
  // A window of 1 KiB, and one block that repeats a byte 1,024 or 1,025 times.
  const std::string allowed("\x28\xb5\x2f\xfd\x00\x00\x03\x20\x00x", 10);
  EXPECT_EQ(decompress(Compression::zstd, as_bytes(allowed), {})->size(), 1'024u);
  std::string larger = allowed;
  larger[6] = 0x0b;
  EXPECT_FALSE(decompress(Compression::zstd, as_bytes(larger), {}).has_value());
  EXPECT_FALSE(open_decompressor(Compression::zstd, as_bytes(larger), {}).has_value());
}

// Found by fuzzing: libzstd's streaming decoder does not compare the sizes if the last block is
// empty.
TEST(Compression, a_frame_of_zstd_that_holds_less_than_it_says_is_damage_in_pieces_too) {
  const std::string frame("\x28\xb5\x2f\xfd\x20\x02\x01\x00\x00", 9);
  EXPECT_FALSE(decompress(Compression::zstd, as_bytes(frame), {}).has_value());
  std::byte to{};
  EXPECT_FALSE(
      (*open_decompressor(Compression::zstd, as_bytes(frame), {}))->read({&to, 1}).has_value());
}

TEST(Compression, gzip_of_several_members_is_read_whole) {
  std::string two;
  for (const char* part : {"one", "two"}) {
    two +=
        compress(Compression::gzip, std::nullopt, Chain(Slice::copy_of(part)))->flatten()->text();
  }
  EXPECT_EQ(decompress(Compression::gzip, as_bytes(two), {})->text(), "onetwo");
}

}  // namespace
}  // namespace dohle::wire
