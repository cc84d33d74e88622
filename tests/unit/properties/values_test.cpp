#include "properties/values.hpp"

#include <gtest/gtest.h>

#include <string>

namespace dohle::properties {
namespace {

TEST(Values, CountsAreWholeNumbersWithinTheirRange) {
  EXPECT_EQ(parse_count("0", 0, 10).value(), 0);
  EXPECT_EQ(parse_count("-1", -1, 10).value(), -1);
  EXPECT_EQ(parse_count("10", 0, 10).value(), 10);
  for (const char* text :
       {"", "11", "-1", "1.5", "ten", "1 ", " 1", "0x1", "99999999999999999999"}) {
    const auto refused = parse_count(text, 0, 10);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().message(),
              '"' + std::string(text) + "\" is not a whole number from 0 to 10");
    EXPECT_EQ(refused.error().category(), ErrorCategory::configuration);
  }
}

TEST(Values, AcksByNameAndByNumber) {
  for (const char* text : {"all", "-1"}) EXPECT_EQ(parse_acks(text).value(), Acks::all);
  for (const char* text : {"leader", "1"}) EXPECT_EQ(parse_acks(text).value(), Acks::leader);
  for (const char* text : {"none", "0"}) EXPECT_EQ(parse_acks(text).value(), Acks::none);
  EXPECT_EQ(parse_acks("2").error().message(),
            "\"2\" is not one of all (-1), leader (1), none (0)");
}

TEST(Values, CodecsByName) {
  EXPECT_EQ(parse_codec("none").value(), CompressionCodec::none);
  EXPECT_EQ(parse_codec("gzip").value(), CompressionCodec::gzip);
  EXPECT_EQ(parse_codec("snappy").value(), CompressionCodec::snappy);
  EXPECT_EQ(parse_codec("lz4").value(), CompressionCodec::lz4);
  EXPECT_EQ(parse_codec("zstd").value(), CompressionCodec::zstd);
  EXPECT_EQ(parse_codec("zip").error().message(),
            "\"zip\" is not one of none, gzip, snappy, lz4, zstd");
}

}  // namespace
}  // namespace dohle::properties
