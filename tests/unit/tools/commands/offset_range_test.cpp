#include "tools/commands/offset_range.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dohle::tools {
namespace {

constexpr Timestamp now{1'800'000'000'000};

OffsetRange range(const char* text) {
  auto parsed = parse_offset_range(text, now);
  if (!parsed) {
    ADD_FAILURE() << parsed.error().to_string();
    return {};
  }
  return *parsed;
}

OffsetRange from(OffsetPoint point) {
  return {point, std::nullopt};
}

TEST(OffsetRange, NamesTheStartAndTheEnd) {
  for (const char* text : {"start", "earliest", "beginning"}) {
    EXPECT_EQ(range(text), from(AfterStart{})) << text;
  }
  for (const char* text : {"end", "latest"}) EXPECT_EQ(range(text), from(BeforeEnd{})) << text;
}

TEST(OffsetRange, TakesOnePoint) {
  EXPECT_EQ(range("42"), from(Offset{42}));
  EXPECT_EQ(range("+10"), from(AfterStart{10}));
  EXPECT_EQ(range("-10"), from(BeforeEnd{10}));
  EXPECT_EQ(range("@-1h"), from(Timestamp{now.value - 3'600'000}));
  EXPECT_EQ(range("@2026-11-24T10:30:05Z"), from(Timestamp{1'795'516'205'000}));
}

TEST(OffsetRange, TakesTwoPoints) {
  EXPECT_EQ(range("10:20"), (OffsetRange{Offset{10}, Offset{20}}));
  EXPECT_EQ(range("start:end"), (OffsetRange{AfterStart{}, BeforeEnd{}}));
  EXPECT_EQ(range("-10:end"), (OffsetRange{BeforeEnd{10}, BeforeEnd{}}));
  EXPECT_EQ(range("@-1h:end"), (OffsetRange{Timestamp{now.value - 3'600'000}, BeforeEnd{}}));
}

TEST(OffsetRange, ASideLeftOutIsTheStartOrTheEnd) {
  EXPECT_EQ(range(":20"), (OffsetRange{AfterStart{}, Offset{20}}));
  EXPECT_EQ(range("10:"), (OffsetRange{Offset{10}, BeforeEnd{}}));
}

TEST(OffsetRange, ColonsOfATimeDoNotSeparate) {
  EXPECT_EQ(range("@2026-11-24T10:30:05Z:end"),
            (OffsetRange{Timestamp{1'795'516'205'000}, BeforeEnd{}}));
  EXPECT_EQ(range("@2026-11-24T10:30:@2026-11-24T10:30:05+01:00"),
            (OffsetRange{Timestamp{1'795'516'200'000}, Timestamp{1'795'512'605'000}}));
  EXPECT_EQ(range("5:@2026-11-24T10:30"), (OffsetRange{Offset{5}, Timestamp{1'795'516'200'000}}));
}

TEST(OffsetRange, RefusesOtherTexts) {
  for (const char* text : {"", "first", "--1", "+-1", "1:2:3", "@", "@tomorrow", "1x", "+", "-",
                           "1-2", "99999999999999999999"}) {
    const auto refused = parse_offset_range(text, now);
    ASSERT_FALSE(refused) << text;
    EXPECT_THAT(std::string(refused.error().message()),
                testing::HasSubstr("is not an offset: start, end, 42"));
  }
  EXPECT_THAT(std::string(parse_offset_range("20:10", now).error().message()),
              testing::HasSubstr("ends before it starts"));
}

TEST(OffsetRange, PointsStayWithinThePartition) {
  const OffsetBounds bounds{Offset{100}, Offset{200}};
  EXPECT_EQ(resolve(AfterStart{}, bounds, {}), Offset{100});
  EXPECT_EQ(resolve(AfterStart{30}, bounds, {}), Offset{130});
  EXPECT_EQ(resolve(AfterStart{300}, bounds, {}), Offset{200});
  EXPECT_EQ(resolve(BeforeEnd{}, bounds, {}), Offset{200});
  EXPECT_EQ(resolve(BeforeEnd{30}, bounds, {}), Offset{170});
  EXPECT_EQ(resolve(BeforeEnd{300}, bounds, {}), Offset{100});
  EXPECT_EQ(resolve(Offset{150}, bounds, {}), Offset{150});
  EXPECT_EQ(resolve(Offset{50}, bounds, {}), Offset{100});
  EXPECT_EQ(resolve(Offset{250}, bounds, {}), Offset{200});
}

TEST(OffsetRange, ATimeWithoutAYoungerRecordIsTheEnd) {
  const OffsetBounds bounds{Offset{100}, Offset{200}};
  EXPECT_EQ(resolve(now, bounds, Offset{150}), Offset{150});
  EXPECT_EQ(resolve(now, bounds, Offset{}), Offset{200});
}

TEST(OffsetRange, PointsOfAnEmptyPartitionAreItsOnlyOffset) {
  const OffsetBounds bounds{Offset{7}, Offset{7}};
  EXPECT_EQ(resolve(AfterStart{3}, bounds, {}), Offset{7});
  EXPECT_EQ(resolve(BeforeEnd{3}, bounds, {}), Offset{7});
  EXPECT_EQ(resolve(Offset{0}, bounds, {}), Offset{7});
}

}  // namespace
}  // namespace dohle::tools
