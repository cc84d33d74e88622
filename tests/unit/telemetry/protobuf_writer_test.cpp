#include "telemetry/protobuf_writer.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "telemetry/otlp_spans.hpp"

namespace dohle::telemetry {
namespace {

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    text += digits[static_cast<unsigned char>(c) >> 4];
    text += digits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

TEST(ProtobufWriter, writes_the_bytes_of_the_documentation_of_the_encoding) {
  ProtobufWriter to(100);
  to.varint(1, 150);
  to.bytes(2, "testing");
  to.message(3, [&] { to.varint(1, 150); });
  EXPECT_EQ(hex(to.take()),
            "089601"
            "120774657374696e67"
            "1a03089601");
}

TEST(ProtobufWriter, writes_fixed_numbers_and_large_fields) {
  ProtobufWriter to(100);
  to.fixed32(16, 1);
  to.fixed64(7, 0x0102030405060708);
  to.number(4, 1.5);
  to.varint(2, UINT64_MAX);
  EXPECT_EQ(hex(to.take()),
            "85010100000039080706050403020121000000000000f83f"
            "10ffffffffffffffffff01");
}

TEST(ProtobufWriter, has_a_length_of_two_bytes_before_a_long_message) {
  ProtobufWriter to(1'000);
  to.message(1, [&] { to.bytes(1, std::string(200, 'x')); });
  const std::string written = to.take();
  EXPECT_EQ(hex(written.substr(0, 6)), "0acb010ac801");
  EXPECT_EQ(written.size(), 3u + 3 + 200);
}

TEST(ProtobufWriter, stops_at_its_limit_and_reports_it) {
  for (std::size_t limit = 0; limit < 20; ++limit) {
    ProtobufWriter to(limit);
    to.message(1, [&] { to.bytes(1, "0123456789abcdef"); });
    EXPECT_TRUE(to.is_too_large()) << limit;
    EXPECT_LE(to.size(), limit);
  }
  ProtobufWriter to(20);
  to.message(1, [&] { to.bytes(1, "0123456789abcdef"); });
  EXPECT_FALSE(to.is_too_large());
  EXPECT_EQ(to.size(), 20u);
}

TEST(OtlpSpans, are_absent_if_they_are_too_large) {
  FinishedSpan span;
  span.name = std::string(100, 'n');
  span.resource = std::make_shared<const Resource>();
  const std::vector<FinishedSpan> spans{span, span};
  const auto whole = encode_spans(spans, 10'000);
  ASSERT_TRUE(whole);
  EXPECT_FALSE(encode_spans(spans, whole->size() - 1));
  EXPECT_EQ(encode_spans(spans, whole->size()), whole);
  EXPECT_EQ(encode_spans({}, 0), "");
}

TEST(OtlpSpans, have_texts_in_utf8) {
  FinishedSpan span;
  span.name = "caf\xc3\xa9";
  span.status = SpanStatus::error;
  span.description = "threw: caf\xe9 \xc3";
  span.attributes = {{"client", std::string("a\xff")}};
  span.resource = std::make_shared<const Resource>();
  const auto encoded = encode_spans(std::vector{span}, 10'000);
  ASSERT_TRUE(encoded);
  EXPECT_TRUE(encoded->contains("caf\xc3\xa9")) << "stays as it is";
  EXPECT_TRUE(encoded->contains("threw: caf\xef\xbf\xbd \xef\xbf\xbd"));
  EXPECT_TRUE(encoded->contains("a\xef\xbf\xbd"));
}

}  // namespace
}  // namespace dohle::telemetry
