#include "wire/varint.hpp"

#include <array>
#include <limits>

#include <gtest/gtest.h>

namespace dohle::wire {
namespace {

TEST(Varint, sizes_equal_the_written_bytes) {
  std::array<std::byte, max_varlong_bytes> bytes;
  for (int bit = 0; bit < 64; ++bit) {
    for (const std::int64_t add : {-1, 0, 1}) {
      const auto n =
          static_cast<std::int64_t>((std::uint64_t{1} << bit) + static_cast<std::uint64_t>(add));
      for (const std::int64_t value : {n, ~n}) {
        const std::byte* end = write_varlong(bytes.data(), value);
        ASSERT_EQ(static_cast<std::size_t>(end - bytes.data()), varlong_size(value)) << value;
        std::int64_t back = 0;
        ASSERT_EQ(read_varlong(bytes.data(), end, back), end);
        ASSERT_EQ(back, value);
      }
    }
  }
}

TEST(Varint, thirty_two_bits_are_restored) {
  std::array<std::byte, max_varlong_bytes> bytes;
  for (const std::int32_t value :
       {0, -1, 1, 63, 64, -64, -65, 8191, 8192, std::numeric_limits<std::int32_t>::max(),
        std::numeric_limits<std::int32_t>::min()}) {
    const std::byte* end = write_varint(bytes.data(), value);
    std::int32_t back = 0;
    ASSERT_EQ(read_varint(bytes.data(), end, back), end);
    ASSERT_EQ(back, value);
    ASSERT_EQ(read_varint(bytes.data(), end - 1, back), nullptr);
  }
}

TEST(Varint, too_many_bytes_or_bits_are_refused) {
  std::array<std::byte, 11> ones;
  ones.fill(std::byte{0xff});
  std::uint32_t narrow = 0;
  std::int64_t wide = 0;
  EXPECT_EQ(read_unsigned_varint(ones.data(), ones.data() + ones.size(), narrow), nullptr);
  EXPECT_EQ(read_varlong(ones.data(), ones.data() + ones.size(), wide), nullptr);
  ones[4] = std::byte{0x10};  // a 33rd bit
  EXPECT_EQ(read_unsigned_varint(ones.data(), ones.data() + 5, narrow), nullptr);
  ones[4] = std::byte{0x0f};
  EXPECT_EQ(read_unsigned_varint(ones.data(), ones.data() + 5, narrow), ones.data() + 5);
  EXPECT_EQ(narrow, 0xffffffffu);
}

}  // namespace
}  // namespace dohle::wire
