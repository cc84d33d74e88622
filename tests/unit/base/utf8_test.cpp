#include "base/utf8.hpp"

#include <gtest/gtest.h>

namespace dohle {
namespace {

TEST(Utf8, RecognizesCharactersOfEachLength) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("a\x7f"));
  EXPECT_TRUE(is_utf8(std::string_view("a\0b", 3)));
  EXPECT_TRUE(
      is_utf8("\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf"));
}

TEST(Utf8, RefusesOverlongTruncatedAndInvalidBytes) {
  for (const char* bytes :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xf0\x9f\x98"}) {
    EXPECT_FALSE(is_utf8(bytes)) << bytes;
  }
}

TEST(Utf8, IsReadCharacterByCharacter) {
  EXPECT_EQ(character_bytes(""), 0u);
  EXPECT_EQ(character_bytes("ab"), 1u);
  EXPECT_EQ(character_bytes("\xc2\x80"
                            "b"),
            2u);
  EXPECT_EQ(character_bytes("\xe2\x82\xac"), 3u);
  EXPECT_EQ(character_bytes("\xf4\x8f\xbf\xbf"), 4u);
  EXPECT_EQ(character_bytes("\x80"
                            "a"),
            0u);
}

TEST(Utf8, ReplacesBytesThatEncodeNoCharacter) {
  EXPECT_EQ(with_valid_utf8("caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(with_valid_utf8("\xe9t\xe9 \xc3"), "\xef\xbf\xbdt\xef\xbf\xbd \xef\xbf\xbd");
  EXPECT_EQ(with_valid_utf8(""), "");
}

}  // namespace
}  // namespace dohle
