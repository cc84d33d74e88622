#include "dohle/codec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "dohle/codec/json.hpp"
#include "dohle/detail/codec_choice.hpp"
#include "dohle/options.hpp"

namespace {

/// A type with two codecs, one of them written here.
struct Landing {
  std::string airport;
  int gate = 0;
  friend bool operator==(const Landing&, const Landing&) = default;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Landing, airport, gate)
};

/// "airport/gate"; the header "colon" makes the separator a colon.
struct LandingAsText {
  static constexpr std::string_view name = "text";
  static dohle::Result<void> encode(const Landing& landing, const dohle::CodecContext& context,
                                    std::string& into) {
    if (landing.gate < 0) throw std::invalid_argument("a gate below 0");
    const char separator = context.headers.first("colon") ? ':' : '/';
    into += landing.airport + separator + std::to_string(landing.gate);
    return {};
  }
  static dohle::Result<Landing> decode(dohle::Bytes bytes, const dohle::CodecContext& context) {
    const std::string text(dohle::as_text(bytes));
    const std::size_t at = text.find(context.headers.first("colon") ? ':' : '/');
    if (at == std::string::npos) throw std::invalid_argument("no separator");
    return Landing{text.substr(0, at), std::stoi(text.substr(at + 1))};
  }
};

struct WithoutCodec {};

/// Only encodes.
struct OnlySent {};

}  // namespace

template <>
struct dohle::Codecs<Landing> {
  using list = dohle::CodecList<dohle::JsonCodec<Landing>, LandingAsText>;
};
template <>
struct dohle::Codec<OnlySent> {
  static constexpr std::string_view name = "nothing";
  static Result<void> encode(const OnlySent&, const CodecContext&, std::string&) { return {}; }
};

namespace dohle {
namespace {

using messaging::choose_codec;
using messaging::codec_names;
using messaging::codec_of_body;
using messaging::DecodingChoice;
using testing::ElementsAre;

static_assert(Encodable<Landing> && Decodable<Landing>);
static_assert(!Encodable<WithoutCodec> && !Decodable<WithoutCodec>);
static_assert(Encodable<OnlySent> && !Decodable<OnlySent>);
static_assert(Encodable<Bytes> && !Decodable<Bytes>);

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

TEST(JsonCodec, decodes_its_own_encoding) {
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

TEST(Codecs, are_chosen_by_their_names_and_the_first_without_one) {
  EXPECT_EQ(choose_codec(codec_names<Landing>, "", "codec"), 0u);
  EXPECT_EQ(choose_codec(codec_names<Landing>, "json", "codec"), 0u);
  EXPECT_EQ(choose_codec(codec_names<Landing>, "text", "codec"), 1u);
  EXPECT_EQ(choose_codec(messaging::encodings<Landing>, "text", "codec"), 1u);
}

TEST(Codecs, are_listed_in_the_error_of_an_unknown_name) {
  const auto chosen = choose_codec(codec_names<Landing>, "xml", "body_codec");
  ASSERT_FALSE(chosen.has_value());
  EXPECT_EQ(chosen.error().category(), ErrorCategory::configuration);
  EXPECT_EQ(chosen.error().message(), "body_codec is xml; the codecs of this type are json, text");
}

std::optional<std::size_t> by_content_type(std::optional<std::string> value) {
  const std::vector<Header> headers{{"a", "b"}, {"content-type", std::move(value)}};
  const auto place =
      codec_of_body(codec_names<Landing>, {.usual = 1, .by_content_type = true},
                    {.topic = "landings", .headers = CodecHeaders(std::span(headers))});
  return place ? std::optional(*place) : std::nullopt;
}

TEST(Codecs, are_found_by_content_type_without_case_and_parameters) {
  EXPECT_EQ(by_content_type("application/json"), 0u);
  EXPECT_EQ(by_content_type("Application/JSON ; charset=utf-8"), 0u);
  EXPECT_EQ(by_content_type("json"), 0u);
  EXPECT_EQ(by_content_type("text"), 1u) << "the name stands for an absent content type";
  EXPECT_EQ(by_content_type(std::nullopt), 1u) << "a null header chooses nothing";
  EXPECT_EQ(by_content_type("application/jso"), std::nullopt);
  EXPECT_EQ(by_content_type(""), std::nullopt);
}

TEST(Codecs, are_listed_in_the_error_of_an_unknown_content_type) {
  const std::vector<Header> headers{{"content-type", "application/xml"}};
  const auto place =
      codec_of_body(codec_names<Landing>, {.by_content_type = true},
                    {.topic = "landings", .headers = CodecHeaders(std::span(headers))});
  ASSERT_FALSE(place.has_value());
  EXPECT_TRUE(place.error().is(Errc::codec_failed));
  EXPECT_EQ(place.error().message(),
            "a body of topic landings has the content-type \"application/xml\"; the codecs of this "
            "type have application/json, text");
}

TEST(Codecs, get_the_headers_of_the_message) {
  const std::vector<Header> headers{{"colon", ""}};
  const CodecContext with{.topic = "landings", .headers = CodecHeaders(std::span(headers))};
  std::string text;
  const Landing landing{"ATLANTA", 7};
  ASSERT_TRUE(messaging::encodings<Landing>[1].encode(&landing, with, text).has_value());
  EXPECT_EQ(text, "ATLANTA:7");
  EXPECT_EQ(messaging::decoders<Landing>[1](as_bytes(text), with), landing);
}

TEST(Codecs, turn_exceptions_into_errors) {
  std::string text;
  const Landing below{"ATLANTA", -1};
  const auto encoded = messaging::encodings<Landing>[1].encode(&below, context, text);
  ASSERT_FALSE(encoded.has_value());
  EXPECT_TRUE(encoded.error().is(Errc::codec_failed));
  EXPECT_EQ(encoded.error().message(), "the codec threw: a gate below 0");
  const auto decoded =
      messaging::decode_body<Landing>(as_bytes("ATLANTA"), context, DecodingChoice{.usual = 1});
  ASSERT_FALSE(decoded.has_value());
  EXPECT_EQ(decoded.error().message(), "the codec threw: no separator");
}

TEST(CodecHeaders, keep_order_repetition_and_null_values) {
  const std::vector<Header> headers{{"a", "1"}, {"b", std::nullopt}, {"a", "2"}};
  const CodecHeaders view{std::span(headers)};
  EXPECT_EQ(view.size(), 3u);
  EXPECT_EQ(as_text(*view.first("a")), "1");
  EXPECT_EQ(view.first("b"), std::nullopt);
  EXPECT_EQ(view.first("c"), std::nullopt);
  std::vector<std::string> all;
  view.for_each([&](const HeaderView& header) {
    all.push_back(std::string(header.name) + (header.value ? "=" : "") +
                  (header.value ? std::string(as_text(*header.value)) : ""));
  });
  EXPECT_THAT(all, ElementsAre("a=1", "b", "a=2"));
}

std::optional<std::string> encoded_key(const PublishOption& option) {
  PublishOptions options;
  option(options);
  std::string key;
  const CodecContext of_key{.topic = "landings", .is_key = true};
  if (!options.key_encoder || !options.key_encoder(of_key, key)) return std::nullopt;
  return key;
}

TEST(WithKey, encodes_a_key_by_a_codec_of_its_type) {
  EXPECT_EQ(encoded_key(with_key(Landing{"X", 1})), R"({"airport":"X","gate":1})");
  EXPECT_EQ(encoded_key(with_key(Landing{"X", 1}, "text")), "X/1");
  EXPECT_EQ(encoded_key(with_key("text")), "text");
  EXPECT_EQ(encoded_key(with_key(std::string_view("text"))), "text");
  EXPECT_EQ(encoded_key(with_key(Landing{"X", 1}, "xml")), std::nullopt);
}

TEST(WithKey, overrides_an_earlier_with_message_key_and_the_reverse) {
  PublishOptions options;
  with_key("a")(options);
  kafka::with_message_key("b")(options);
  EXPECT_EQ(options.key, "b");
  EXPECT_FALSE(options.key_encoder);
  with_key("c")(options);
  EXPECT_EQ(options.key, std::nullopt);
  EXPECT_TRUE(options.key_encoder);
}

TEST(RawCodec, keeps_every_byte) {
  const std::string body("a\0b", 3);
  std::string bytes;
  ASSERT_TRUE(Codec<std::string>::encode(body, context, bytes).has_value());
  EXPECT_EQ(Codec<std::string>::decode(as_bytes(bytes), context), body);
}

}  // namespace
}  // namespace dohle
