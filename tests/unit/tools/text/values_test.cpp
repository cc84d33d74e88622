#include "tools/text/values.hpp"

#include <gmock/gmock.h>

namespace dohle::tools {
namespace {

using std::chrono::microseconds;
using testing::HasSubstr;

TEST(Values, SizesTakeUnits) {
  EXPECT_EQ(parse_size("0").value(), 0U);
  EXPECT_EQ(parse_size("100").value(), 100U);
  EXPECT_EQ(parse_size("64KiB").value(), 65'536U);
  EXPECT_EQ(parse_size("64MiB").value(), 67'108'864U);
  EXPECT_EQ(parse_size("2GiB").value(), 2'147'483'648U);
  EXPECT_EQ(parse_size("5KB").value(), 5'000U);
  EXPECT_EQ(parse_size("7B").value(), 7U);
  for (const char* text : {"", "MiB", "-1", "1 MiB", "1mib", "1.5GiB", "9999999999999GiB"}) {
    const auto refused = parse_size(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_THAT(std::string(refused.error().message()), HasSubstr("KiB, MiB, GiB, KB, MB or GB"));
  }
}

TEST(Values, DurationsNeedAUnit) {
  EXPECT_EQ(parse_duration("0").value(), microseconds(0));
  EXPECT_EQ(parse_duration("250us").value(), microseconds(250));
  EXPECT_EQ(parse_duration("5ms").value(), microseconds(5'000));
  EXPECT_EQ(parse_duration("2s").value(), microseconds(2'000'000));
  EXPECT_EQ(parse_duration("1h").value(), std::chrono::hours(1));
  EXPECT_EQ(parse_duration("10000d").value(), std::chrono::days(10'000));
  for (const char* text : {"", "5", "ms", "-5ms", "5 ms", "1.5s", "10001d", "5min"}) {
    const auto refused = parse_duration(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_THAT(std::string(refused.error().message()), HasSubstr("us, ms, s, m, h or d"));
  }
}

TEST(Values, NamesEndAtTheFirstSeparator) {
  EXPECT_EQ(parse_named("k:v", ':').value(), std::pair(std::string("k"), std::string("v")));
  EXPECT_EQ(parse_named("k:a:b", ':').value(), std::pair(std::string("k"), std::string("a:b")));
  EXPECT_EQ(parse_named("k=", '=').value(), std::pair(std::string("k"), std::string()));
  EXPECT_EQ(parse_named("kv", ':').error().message(), "\"kv\" is not of the form NAME:VALUE");
  EXPECT_FALSE(parse_named(":v", ':'));
}

}  // namespace
}  // namespace dohle::tools
