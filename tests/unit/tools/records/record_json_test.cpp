#include "tools/records/record_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "received.hpp"

namespace dohle::tools {
namespace {

OwnedRecord full_record() {
  return {.key = "k",
          .value = "v\n\"\xc3\xa4\"",
          .headers = {{"a", "1"}, {"a", std::nullopt}, {"b", "\xff\x01"}, {"\xfe", ""}},
          .timestamp = Timestamp{1'795'516'205'250},
          .partition = PartitionId{3}};
}

std::string why_not(std::string_view line) {
  const auto record = record_from_json(line);
  return record ? "it was read" : std::string(record.error().message());
}

TEST(RecordJson, WritesMembersInAFixedOrder) {
  EXPECT_EQ(to_json(Received(full_record()).record()),
            R"({"topic":"orders","partition":3,"offset":42,"timestamp":1795516205250,"key":"k",)"
            R"("value":"v\n\"ä\"","headers":[{"name":"a","value":"1"},{"name":"a","value":null},)"
            R"({"name":"b","value_base64":"/wE="},{"name_base64":"/g==","value":""}]})");
}

TEST(RecordJson, ReadsItsOwnText) {
  std::vector<OwnedRecord> records = {
      full_record(), {.value = ""}, {.key = "", .value = "v"}, {.key = "k"}};
  std::string every_byte;
  for (int i = 0; i < 256; ++i) every_byte += static_cast<char>(i);
  records.push_back({.key = every_byte.substr(128), .value = every_byte});
  records.push_back({.value = every_byte.substr(0, 128)});
  for (const OwnedRecord& record : records) {
    const std::string line = to_json(Received(record).record());
    EXPECT_EQ(line.find('\n'), std::string::npos);
    const auto back = record_from_json(line);
    ASSERT_TRUE(back) << line << back.error().to_string();
    EXPECT_EQ(*back, record) << line;
  }
}

TEST(RecordJson, RequiresOnlyTheValue) {
  EXPECT_EQ(record_from_json(R"({"value":"v"})").value(), (OwnedRecord{.value = "v"}));
  EXPECT_EQ(record_from_json(R"({"key":"k","value":null})").value(), (OwnedRecord{.key = "k"}));
  EXPECT_EQ(why_not(R"({"key":"k"})"), R"("value" is missing; null means a tombstone)");
}

TEST(RecordJson, NamesTheMemberThatIsWrong) {
  EXPECT_EQ(why_not("[1]"), "it is not a JSON object on one line");
  EXPECT_EQ(why_not("{"), "it is not a JSON object on one line");
  EXPECT_EQ(why_not(R"({"value":1})"), R"("value" is neither a string nor null)");
  EXPECT_EQ(why_not(R"({"value_base64":"?"})"), R"("value_base64" is not base64)");
  EXPECT_EQ(why_not(R"({"value":"v","partition":-2})"),
            R"("partition" is not a whole number from -1 to 2147483647)");
  EXPECT_EQ(why_not(R"({"value":"v","partition":2147483648})"),
            R"("partition" is not a whole number from -1 to 2147483647)");
  EXPECT_EQ(why_not(R"({"value":"v","headers":{}})"), R"("headers" is not an array)");
  EXPECT_EQ(why_not(R"({"value":"v","headers":[{"value":"x"}]})"),
            R"("headers" holds one without a name)");
  EXPECT_EQ(why_not(R"({"value":"v","headers":[{"name":"a","val":"x"}]})"),
            R"("val" is not a member of a header)");
  EXPECT_THAT(why_not(R"({"vaule":"v"})"),
              testing::StartsWith(R"("vaule" is not a member of a record)"));
}

TEST(RecordJson, RepeatedMembersAreRefused) {
  for (const char* line :
       {R"({"value":"a","value_base64":"YQ=="})", R"({"value":"a","payload":"b"})",
        R"({"key":"a","key_base64":"YQ==","value":null})",
        R"({"value":"a","headers":[{"name":"n","name_base64":"bg=="}]})"}) {
    const auto record = record_from_json(line);
    ASSERT_FALSE(record) << line;
    EXPECT_NE(record.error().message().find("appears twice"), std::string_view::npos)
        << record.error().message();
  }
}

TEST(RecordJson, LinesOfKcatAreRead) {
  const auto record = record_from_json(
      R"({"topic":"t","partition":1,"offset":5,"tstype":"create","ts":1234,"broker":0,)"
      R"("headers":["a","1","b",null],"key":null,"payload":"v"})");
  ASSERT_TRUE(record) << record.error().message();
  EXPECT_EQ(record->value, "v");
  EXPECT_FALSE(record->key);
  EXPECT_EQ(record->timestamp, Timestamp{1234});
  ASSERT_EQ(record->headers.size(), 2U);
  EXPECT_EQ(record->headers[0].second, "1");
  EXPECT_FALSE(record->headers[1].second);
  EXPECT_FALSE(record_from_json(R"({"headers":["a"],"payload":"v"})"));
}

}  // namespace
}  // namespace dohle::tools
