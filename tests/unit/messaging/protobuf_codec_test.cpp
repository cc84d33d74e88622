#include <gtest/gtest.h>

#include <string>

#include "dohle/codec/json.hpp"
#include "dohle/codec/protobuf.hpp"
#include "flight.pb.h"

namespace dohle {
namespace {

using tests::Flight;

static_assert(Encodable<Flight> && Decodable<Flight>);
static_assert(Codec<Flight>::name == "protobuf");
static_assert(!Encodable<google::protobuf::MessageLite>, "it is abstract");

constexpr CodecContext context{.topic = "flights"};

TEST(ProtobufCodec, decodes_its_own_encoding) {
  Flight flight;
  flight.set_airline("DOHLE AIR");
  flight.set_passengers(7);
  flight.add_stops("PRAHA");
  std::string bytes = "before";
  ASSERT_TRUE(Codec<Flight>::encode(flight, context, bytes).has_value());
  ASSERT_TRUE(bytes.starts_with("before")) << "encode appends";
  const auto decoded = Codec<Flight>::decode(as_bytes(bytes).subspan(6), context);
  ASSERT_TRUE(decoded.has_value()) << decoded.error().to_string();
  EXPECT_EQ(decoded->SerializeAsString(), flight.SerializeAsString());
  EXPECT_EQ(decoded->stops(0), "PRAHA");
}

// Field 1 of wire type 2 is 0x0a, field 2 of wire type 0 is 0x10 (protobuf.dev, encoding).
TEST(ProtobufCodec, writes_the_binary_format) {
  Flight flight;
  flight.set_airline("A");
  flight.set_passengers(300);
  std::string bytes;
  ASSERT_TRUE(Codec<Flight>::encode(flight, context, bytes).has_value());
  EXPECT_EQ(bytes, std::string("\x0a\x01\x41\x10\xac\x02"));
}

TEST(ProtobufCodec, names_the_type_and_the_topic_of_bytes_that_it_cannot_decode) {
  const auto decoded = Codec<Flight>::decode(as_bytes("\x0a\x7f"), context);
  ASSERT_FALSE(decoded.has_value());
  EXPECT_TRUE(decoded.error().is(Errc::codec_failed));
  EXPECT_EQ(decoded.error().message(),
            "a body of topic flights cannot be decoded from protobuf's dohle.tests.Flight: 2 bytes "
            "that are no such message");
}

TEST(ProtobufCodec, refuses_a_message_without_a_required_field) {
  std::string bytes = "x";
  const auto encoded = Codec<Flight>::encode(Flight(), {.topic = "flights", .is_key = true}, bytes);
  ASSERT_FALSE(encoded.has_value());
  EXPECT_EQ(encoded.error().message(),
            "a key of topic flights cannot be encoded to protobuf's dohle.tests.Flight: required "
            "fields are missing: airline");
  EXPECT_EQ(bytes, "x");
  const auto decoded = Codec<Flight>::decode(as_bytes("\x10\x07"), context);
  ASSERT_FALSE(decoded.has_value());
  EXPECT_NE(decoded.error().message().find("required fields are missing: airline"),
            std::string_view::npos);
}

}  // namespace
}  // namespace dohle
