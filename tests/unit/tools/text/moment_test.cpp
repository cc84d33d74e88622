#include "tools/text/moment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dohle::tools {
namespace {

constexpr Timestamp now{1'800'000'000'000};

TEST(Moment, CountsBackFromNow) {
  EXPECT_EQ(parse_moment("-1h", now).value(), Timestamp{1'800'000'000'000 - 3'600'000});
  EXPECT_EQ(parse_moment("-250ms", now).value(), Timestamp{1'800'000'000'000 - 250});
  EXPECT_EQ(parse_moment("-0", now).value(), now);
}

TEST(Moment, TakesSecondsAndMillisecondsByTheirLength) {
  EXPECT_EQ(parse_moment("1700000000", now).value(), Timestamp{1'700'000'000'000});
  EXPECT_EQ(parse_moment("1700000000123", now).value(), Timestamp{1'700'000'000'123});
}

// The numbers come from `date -u -d TEXT +%s%3N`.
TEST(Moment, ReadsIso8601) {
  EXPECT_EQ(parse_moment("2026-11-24", now).value(), Timestamp{1'795'478'400'000});
  EXPECT_EQ(parse_moment("2026-11-24T10:30", now).value(), Timestamp{1'795'516'200'000});
  EXPECT_EQ(parse_moment("2026-11-24T10:30:05Z", now).value(), Timestamp{1'795'516'205'000});
  EXPECT_EQ(parse_moment("2026-11-24T10:30:05.25Z", now).value(), Timestamp{1'795'516'205'250});
  EXPECT_EQ(parse_moment("2026-11-24T10:30:05+01:00", now).value(), Timestamp{1'795'512'605'000});
  EXPECT_EQ(parse_moment("2026-11-24T10:30:05-02:30", now).value(), Timestamp{1'795'525'205'000});
  EXPECT_EQ(parse_moment("2024-02-29", now).value(), Timestamp{1'709'164'800'000});
}

TEST(Moment, TakesUpTo11DigitsForSecondsAndMoreForMilliseconds) {
  const Timestamp now{0};
  EXPECT_EQ(parse_moment("0", now), Timestamp{0});
  EXPECT_EQ(parse_moment("1700000000", now), Timestamp{1'700'000'000'000});
  EXPECT_EQ(parse_moment("17000000000", now), Timestamp{17'000'000'000'000});
  EXPECT_EQ(parse_moment("170000000000", now), Timestamp{170'000'000'000});
  EXPECT_EQ(parse_moment("1700000000000", now), Timestamp{1'700'000'000'000});
}

TEST(Moment, RefusesTextThatIsNoTime) {
  for (const char* text :
       {"", "-", "-1", "1h", "99999999999999999999", "2026-13-01", "2026-02-29", "2026-11-24T",
        "2026-11-24T24:00", "2026-11-24T10", "2026-11-24T10:30:60", "2026-11-24T10:30:05.Z",
        "2026-11-24T10:30:05X", "2026-11-24T10:30:05Zx", "2026-11-24T10:30+1:00",
        "2026-11-24 10:30", "26-11-24", "tomorrow"}) {
    const auto refused = parse_moment(text, now);
    ASSERT_FALSE(refused) << text;
    EXPECT_THAT(std::string(refused.error().message()),
                testing::StartsWith('"' + std::string(text) + "\" is not a time"));
  }
}

TEST(Moment, WritesIso8601) {
  EXPECT_EQ(to_iso(Timestamp{1'795'516'205'250}), "2026-11-24T10:30:05.250Z");
  EXPECT_EQ(to_iso(Timestamp{0}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(to_iso(Timestamp{}), "-");
}

}  // namespace
}  // namespace dohle::tools
