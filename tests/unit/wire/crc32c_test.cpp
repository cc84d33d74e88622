#include "wire/crc32c.hpp"

#include <array>
#include <string>

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace dohle::wire {
namespace {

// The examples of RFC 3720, B.4.
TEST(Crc32c, agrees_with_rfc_3720) {
  const std::string zeros(32, '\0');
  const std::string ones(32, '\xff');
  std::string rising(32, '\0');
  for (std::size_t i = 0; i < rising.size(); ++i) rising[i] = static_cast<char>(i);
  for (const auto function : {crc32c, crc32c_software}) {
    EXPECT_EQ(function(0, as_bytes(zeros)), 0x8a9136aau);
    EXPECT_EQ(function(0, as_bytes(ones)), 0x62a8ab43u);
    EXPECT_EQ(function(0, as_bytes(rising)), 0x46dd794eu);
    EXPECT_EQ(function(0, as_bytes(std::string_view("123456789"))), 0xe3069283u);
    EXPECT_EQ(function(0, {}), 0u);
  }
}

TEST(Crc32c, hardware_and_software_agree_on_every_length_and_split) {
  SeededRandom random(42);
  std::string text(10'000, '\0');
  for (char& c : text) c = static_cast<char>(random.next());
  const std::string_view view = text;
  for (std::size_t size = 0; size < view.size(); size += 1 + random.below(40)) {
    const auto bytes = as_bytes(view.substr(random.below(8), size));
    const std::uint32_t whole = crc32c_software(0, bytes);
    ASSERT_EQ(crc32c(0, bytes), whole) << size;
    const std::size_t cut = bytes.empty() ? 0 : random.below(bytes.size());
    ASSERT_EQ(crc32c(crc32c(0, bytes.first(cut)), bytes.subspan(cut)), whole) << size;
    ASSERT_EQ(crc32c_combined(crc32c(0, bytes.first(cut)), crc32c(0, bytes.subspan(cut)),
                              bytes.size() - cut),
              whole)
        << size << " cut at " << cut;
  }
}

}  // namespace
}  // namespace dohle::wire
