#include "properties/properties_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "unit/shown_secret.hpp"

namespace dohle::properties {
namespace {

using testing::HasSubstr;

constexpr std::string_view secret = "correct horse battery";

std::string refusal(std::string_view text) {
  const auto read = read_properties_file(text);
  if (read) return "accepted";
  EXPECT_EQ(shown_secret(read.error().to_string(), secret), "") << text;
  return std::string(read.error().message());
}

TEST(PropertiesFile, HasNamesValuesAndLines) {
  const auto read = read_properties_file(
      "# comment with \xc3\xa9\n"
      "sasl.username = alice\r\n"
      "\n"
      "sasl.password:a\\\n"
      "   b\\u00e9 \n"
      "empty\n");
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_EQ(read->size(), 3U);
  EXPECT_EQ((*read)[0].name, "sasl.username");
  EXPECT_EQ((*read)[0].value.reveal(), "alice");
  EXPECT_EQ((*read)[0].line, 2U);
  EXPECT_EQ((*read)[1].name, "sasl.password");
  EXPECT_EQ((*read)[1].value.reveal(), "ab\xc3\xa9 ");
  EXPECT_EQ((*read)[1].line, 4U);
  EXPECT_EQ((*read)[2].name, "empty");
  EXPECT_EQ((*read)[2].value.reveal(), "");
  EXPECT_EQ((*read)[2].line, 6U);
}

TEST(PropertiesFile, IsRefusedWithTheLineAndNeverShowsAValue) {
  const std::string password = "sasl.password=" + std::string(secret);
  EXPECT_EQ(refusal("a=b\n" + password + "\xc3\xa9"),
            "line 2: a character outside ASCII, which Java and librdkafka read differently; write "
            "it as \\uXXXX");
  EXPECT_EQ(refusal(password + "\\u12"), "line 1: \\u without four hexadecimal digits");
  EXPECT_EQ(refusal(password + "\\ud83d"), "line 1: \\u with half of a surrogate pair");
  EXPECT_EQ(refusal("\n=" + std::string(secret)), "line 2: a property without a name");
  EXPECT_THAT(refusal(std::string(max_properties_file_bytes + 1, ' ')),
              HasSubstr("(max_properties_file_bytes)"));
}

}  // namespace
}  // namespace dohle::properties
