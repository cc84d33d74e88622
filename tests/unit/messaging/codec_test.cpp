#include "dohle/codec.hpp"

#include <gtest/gtest.h>

#include "dohle/codec/json.hpp"

namespace dohle {
namespace {

struct Strike {
  std::string airport;
  int cost = 0;
  friend bool operator==(const Strike&, const Strike&) = default;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Strike, airport, cost)
};

static_assert(Encodable<Strike> && Decodable<Strike>);
static_assert(Codec<Strike>::name == "json");
static_assert(Codec<std::string>::name == "raw");

constexpr CodecContext context{.topic = "strikes"};

TEST(RawCodec, leaves_bytes_as_they_are_where_json_would_write_numbers) {
  static_assert(Codec<std::vector<std::byte>>::name == "raw");
  const std::vector<std::uint8_t> bytes{0, 255, 7};
  std::string into = "x";
  ASSERT_TRUE(Codec<std::vector<std::uint8_t>>::encode(bytes, context, into).has_value());
  EXPECT_EQ(into, std::string("x\0\xff\x07", 4));
  EXPECT_EQ(Codec<std::vector<std::uint8_t>>::decode(as_bytes(into).subspan(1), context), bytes);
}

TEST(JsonCodec, brings_a_value_back) {
  const Strike strike{"ATLANTA INTL", 75};
  std::string text;
  ASSERT_TRUE(Codec<Strike>::encode(strike, context, text).has_value());
  EXPECT_EQ(text, R"({"airport":"ATLANTA INTL","cost":75})");
  EXPECT_EQ(Codec<Strike>::decode(as_bytes(text), context), strike);
}

TEST(JsonCodec, names_the_fault_and_the_topic_of_a_value_that_it_cannot_decode) {
  for (const char* text : {"", "{", R"({"airport":"X"})", R"({"airport":1,"cost":2})", "[]"}) {
    const auto decoded = Codec<Strike>::decode(as_bytes(std::string_view(text)), context);
    ASSERT_FALSE(decoded.has_value()) << text;
    EXPECT_TRUE(decoded.error().is(Errc::codec_failed));
    EXPECT_NE(decoded.error().message().find("topic strikes"), std::string_view::npos);
  }
}

TEST(JsonCodec, refuses_text_that_is_not_utf8) {
  std::string text;
  const auto encoded = Codec<Strike>::encode({"\xff\xfe", 1}, context, text);
  ASSERT_FALSE(encoded.has_value());
  EXPECT_TRUE(encoded.error().is(Errc::codec_failed));
  EXPECT_TRUE(text.empty());
}

TEST(RawCodec, keeps_every_byte) {
  const std::string body("a\0b", 3);
  std::string bytes;
  ASSERT_TRUE(Codec<std::string>::encode(body, context, bytes).has_value());
  EXPECT_EQ(Codec<std::string>::decode(as_bytes(bytes), context), body);
}

}  // namespace
}  // namespace dohle
