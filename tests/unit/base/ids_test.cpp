#include "dohle/ids.hpp"

#include <type_traits>

#include <gtest/gtest.h>

namespace dohle {
namespace {

static_assert(!std::is_convertible_v<PartitionId, NodeId>);
static_assert(!std::is_convertible_v<std::int64_t, Offset>);
static_assert(std::is_trivially_copyable_v<Offset>);

TEST(Id, starts_as_none_and_orders_by_value) {
  EXPECT_TRUE(Offset{}.is_none());
  EXPECT_FALSE(Offset{0}.is_none());
  EXPECT_LT(Offset{1}, Offset{2});
  EXPECT_EQ(Offset{40} + 2, Offset{42});
  EXPECT_EQ(Offset{42} - Offset{40}, 2);
}

TEST(TopicId, prints_as_url_safe_base64) {
  TopicId id;
  EXPECT_EQ(id.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
  for (std::size_t i = 0; i < id.bytes.size(); ++i) id.bytes[i] = static_cast<std::uint8_t>(0xff);
  EXPECT_EQ(id.to_string(), "_____________________w");
  for (std::size_t i = 0; i < id.bytes.size(); ++i) id.bytes[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(id.to_string(), "AAECAwQFBgcICQoLDA0ODw");
  EXPECT_EQ(TopicId::parse(id.to_string()), id);
}

TEST(TopicId, parse_refuses_other_text) {
  EXPECT_FALSE(TopicId::parse("").has_value());
  EXPECT_FALSE(TopicId::parse("AAECAwQFBgcICQoLDA0OD").has_value());
  EXPECT_FALSE(TopicId::parse("AAECAwQFBgcICQoLDA0OD+").has_value());
  EXPECT_FALSE(TopicId::parse("AAECAwQFBgcICQoLDA0ODx").has_value());
}

TEST(Timestamp, rounds_down_to_milliseconds) {
  using namespace std::chrono;
  EXPECT_EQ(to_timestamp(system_clock::time_point{microseconds{1999}}).value, 1);
  EXPECT_EQ(to_timestamp(system_clock::time_point{microseconds{-1}}).value, -1);
  EXPECT_EQ(to_timestamp(to_time_point(Timestamp{123})), Timestamp{123});
}

}  // namespace
}  // namespace dohle
