#include "tools/records/record_input.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dohle::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// The records of an input whose bytes arrive `step` at a time. An error ends it and is returned as
/// the key of a last record.
std::vector<OwnedRecord> read(InputFormat format, std::string_view bytes, std::size_t step) {
  RecordInput input(std::move(format));
  std::vector<OwnedRecord> records;
  for (std::size_t at = 0; at <= bytes.size(); at += step) {
    if (at < bytes.size()) input.feed(bytes.substr(at, step));
    if (at + step >= bytes.size()) input.end();
    while (true) {
      auto record = input.next();
      if (!record) {
        records.push_back({.key = "error: " + std::string(record.error().message())});
        return records;
      }
      if (!*record) break;
      records.push_back(**std::move(record));
    }
  }
  return records;
}

std::vector<OwnedRecord> read(std::string_view format, std::string_view bytes) {
  auto parsed = InputFormat::parse(format);
  if (!parsed) return {{.key = parsed.error().to_string()}};
  auto whole = read(*parsed, bytes, bytes.size() + 1);
  for (std::size_t step = 1; step < 6; ++step) {
    EXPECT_EQ(read(*parsed, bytes, step), whole) << "in pieces of " << step;
  }
  return whole;
}

OwnedRecord value(std::string text) {
  return {.value = std::move(text)};
}

TEST(RecordInput, SplitsLines) {
  EXPECT_THAT(read("%v\\n", "a\nbb\n\nc\n"),
              ElementsAre(value("a"), value("bb"), value(""), value("c")));
}

TEST(RecordInput, TheLastLineNeedsNoNewline) {
  EXPECT_THAT(read("%v\\n", "a\nb"), ElementsAre(value("a"), value("b")));
  EXPECT_THAT(read("%v\\n", ""), ElementsAre());
}

TEST(RecordInput, SplitsFieldsAtTheirSeparators) {
  EXPECT_THAT(read("%k\\t%v\\n", "k1\tv1\nk2\tv\t2\n"),
              ElementsAre(OwnedRecord{.key = "k1", .value = "v1"},
                          OwnedRecord{.key = "k2", .value = "v\t2"}));
  EXPECT_THAT(
      read("%k=>%v;;", "a=>b;;c=>d;e;;"),
      ElementsAre(OwnedRecord{.key = "a", .value = "b"}, OwnedRecord{.key = "c", .value = "d;e"}));
  EXPECT_THAT(
      read("%p %d %v\\n", "2 1700000000000 x\n"),
      ElementsAre(OwnedRecord{
          .value = "x", .timestamp = Timestamp{1'700'000'000'000}, .partition = PartitionId{2}}));
}

TEST(RecordInput, DecodesHexAndBase64) {
  EXPECT_THAT(read("%k{hex} %v{base64}\\n", "00ff /w==\n"),
              ElementsAre(OwnedRecord{.key = std::string("\0\xff", 2), .value = "\xff"}));
  EXPECT_THAT(*read("%v{hex}\\n", "0g\n").front().key,
              HasSubstr("record 1 of the input: \"0g\" is not a valid %v"));
}

TEST(RecordInput, AFieldThatIsMissingIsAnErrorAndConsumesNoOtherRecord) {
  const auto records = read("%k\\t%v\\n", "k1\tv1\nnokey\nk2\tv2\n");
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(*records[1].key, "error: record 2 of the input: the record ends before the end of %k");
}

TEST(RecordInput, AFieldCutByTheEndOfTheInputIsAnError) {
  EXPECT_THAT(*read("%k\\t%v\\n", "k1").front().key, HasSubstr("%k has no end"));
}

TEST(RecordInput, RefusesFormatsThatCannotSplitInput) {
  for (const char* format :
       {"", "abc", "x%v\\n", "%v", "%k%v\\n", "%o\\n", "%h\\n", "%v{iso}\\n", "%"}) {
    EXPECT_FALSE(InputFormat::parse(format)) << format;
  }
}

TEST(RecordInput, ReadsJsonLinesAndCountsBlankOnes) {
  const std::string_view bytes =
      "{\"value\":\"a\"}\n\n{\"key\":\"k\",\"value\":null}\n{\"value\":1}\n";
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, bytes.size()}) {
    const auto records = read(InputFormat::json(), bytes, step);
    ASSERT_EQ(records.size(), 3U);
    EXPECT_EQ(records[0], value("a"));
    EXPECT_EQ(records[1], OwnedRecord{.key = "k"});
    EXPECT_EQ(*records[2].key,
              "error: record 4 of the input: \"value\" is neither a string nor null");
  }
}

TEST(RecordInput, RefusesARecordAboveItsLimit) {
  RecordInput input(InputFormat::parse("%v\\n").value());
  const std::string piece(RecordInput::max_record_bytes / 4 + 1, 'x');
  for (int i = 0; i < 3; ++i) {
    input.feed(piece);
    ASSERT_FALSE(input.next().value());
  }
  input.feed(piece);
  EXPECT_TRUE(input.next().error().is(Errc::too_large));
}

}  // namespace
}  // namespace dohle::tools
