#include "wire/compression.hpp"

#include <string>

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

TEST_P(CompressionTest, brings_bytes_back_whatever_their_pieces) {
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

TEST_P(CompressionTest, truncated_input_is_an_error) {
  const std::string text = compressible(5'000);
  const Slice whole = *compress(GetParam(), std::nullopt, chain_of(text, 1'000))->flatten();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto back = decompress(GetParam(), whole.bytes().first(size), {});
    if (back) {
      // Snappy's framing has no end mark: a cut between blocks shows only in the batch's count.
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

TEST_P(CompressionTest, limits_of_nothing_refuse_everything) {
  const Slice whole = *compress(GetParam(), std::nullopt, chain_of("some text", 9))->flatten();
  EXPECT_FALSE(decompress(GetParam(), whole.bytes(), {.max_bytes = 0}).has_value());
}

TEST_P(CompressionTest, keeps_no_more_memory_than_twice_what_it_holds) {
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

TEST(Compression, plain_snappy_is_read_too) {
  // Snappy's format by hand: length 5, then a literal of 5 bytes.
  const std::string plain("\x05\x10hello", 7);
  EXPECT_EQ(decompress(Compression::snappy, as_bytes(plain), {})->text(), "hello");
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
