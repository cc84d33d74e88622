#include "tools/records/record_format.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "received.hpp"

namespace dohle::tools {
namespace {

std::string written(std::string_view format, OwnedRecord from) {
  const auto parsed = RecordFormat::parse(format);
  if (!parsed) return parsed.error().to_string();
  const Received received(std::move(from));
  std::string out;
  parsed->append(received.record(), out);
  return out;
}

const OwnedRecord sample = {.key = "k\xff",
                            .value = "value",
                            .headers = {{"a", "1"}, {"b", std::nullopt}},
                            .timestamp = Timestamp{1'795'516'205'250},
                            .partition = PartitionId{3}};

TEST(RecordFormat, WritesEachField) {
  EXPECT_EQ(written("%t-%p @%o e%e\\n", sample), "orders-3 @42 e7\n");
  EXPECT_EQ(written("%d %d{iso}", sample), "1795516205250 2026-11-24T10:30:05.250Z");
  EXPECT_EQ(written("%v %V %K %H", sample), "value 5 2 2");
  EXPECT_EQ(written("%k{hex} %k{base64} %v{plain}", sample),
            "invalid_argument: {plain} is neither {hex} nor {base64}");
  EXPECT_EQ(written("%k{hex} %k{base64}", sample), "6bff a/8=");
}

TEST(RecordFormat, WritesLiteralTextAndEscapes) {
  EXPECT_EQ(written("100%% \\t\\\\ \\x41 {a}", sample), "100% \t\\ A {a}");
  EXPECT_EQ(written("a\\0b", sample), std::string("a\0b", 3));
  EXPECT_EQ(written("", sample), "");
}

TEST(RecordFormat, RepeatsBracesForEachHeader) {
  EXPECT_EQ(written("%h{[%k=%v{hex},%K,%V]}", sample), "[a=31,1,1][b=,1,-1]");
  EXPECT_EQ(written("%h{%k }", {.value = "v"}), "");
}

TEST(RecordFormat, NullsAreWrittenAsEmptyTextAndTheirSizesAsMinusOne) {
  EXPECT_EQ(written("<%k> <%v> %K %V", OwnedRecord{}), "<> <> -1 -1");
  EXPECT_EQ(written("<%k> <%v> %K %V", {.key = "", .value = ""}), "<> <> 0 0");
}

TEST(RecordFormat, RefusesUnknownFields) {
  for (const char* format : {"%x", "%", "100%", "%h", "\\q", "\\", "\\x4", "\\xg1", "%h{%k",
                             "%h{%t}", "%p{hex}", "%d{rfc}", "%v{iso}"}) {
    const auto parsed = RecordFormat::parse(format);
    if (std::string_view(format) == "%h") {
      EXPECT_TRUE(parsed);
      continue;
    }
    ASSERT_FALSE(parsed) << format;
    EXPECT_EQ(parsed.error().category(), ErrorCategory::configuration) << format;
  }
  EXPECT_EQ(RecordFormat::parse("%x").error().message(),
            "the format has no field %x; its fields are %t %p %o %e %d %k %v %K %V %h %H");
}

}  // namespace
}  // namespace dohle::tools
