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

}  // namespace
}  // namespace dohle::properties
