#include <gtest/gtest.h>

#include <cctype>
#include <map>
#include <string>

#include "golden_lines.hpp"
#include "properties/jaas.hpp"
#include "properties/properties_file.hpp"

// Texts as Java reads them (property_texts.jsonl.gz, made by PropertyTexts.java).

namespace dohle::properties {
namespace {

using Values = std::map<std::string, std::string>;

/// Whether this refuses a text that Java accepts, by design.
bool is_stricter(std::string_view message) {
  for (const std::string_view why : {"quote is not closed", "given twice", "option's name",
                                     "surrogate pair", "without a name"}) {
    if (message.contains(why)) return true;
  }
  return false;
}

struct Counts {
  int accepted = 0;
  int refused = 0;
  int stricter = 0;
};

void check_jaas(const golden::Line& line, Counts& counts) {
  const auto text = line.at("jaas").get<std::string>();
  const auto entries = read_jaas(text);
  if (!entries) {
    const bool is_refused_by_java = !line.contains("entries");
    EXPECT_TRUE(is_refused_by_java || is_stricter(entries.error().message()))
        << text << "\n"
        << entries.error().message();
    ++(is_refused_by_java ? counts.refused : counts.stricter);
    return;
  }
  ++counts.accepted;
  ASSERT_TRUE(line.contains("entries")) << text;
  ASSERT_EQ(entries->size(), line.at("entries").size()) << text;
  for (std::size_t i = 0; i < entries->size(); ++i) {
    const auto& expected = line.at("entries")[i];
    const JaasEntry& entry = (*entries)[i];
    EXPECT_EQ(entry.module, expected.at("module").get<std::string>()) << text;
    std::string flag = entry.control_flag;
    for (char& c : flag) c = static_cast<char>(std::tolower(c));
    EXPECT_EQ(flag, expected.at("flag").get<std::string>()) << text;
    Values options;
    for (const auto& [name, value] : entry.options) options[name] = value.reveal();
    EXPECT_EQ(options, expected.at("options").get<Values>()) << text;
  }
}

TEST(PropertyTexts, OfJaasAreReadAsJavaReadsThem) {
  Counts counts;
  for (const auto& line : golden::read_lines(DOHLE_GOLDEN_PROPERTY_TEXTS)) {
    if (line.contains("jaas")) check_jaas(line, counts);
  }
  EXPECT_GT(counts.accepted, 700);
  EXPECT_GT(counts.refused, 700);
  EXPECT_LT(counts.stricter, 100) << counts.stricter;
}

void check_file(const golden::Line& line, Counts& counts) {
  const auto text = line.at("file").get<std::string>();
  const auto properties = read_properties_file(text);
  if (!properties) {
    const bool is_refused_by_java = !line.contains("properties");
    EXPECT_TRUE(is_refused_by_java || is_stricter(properties.error().message()))
        << text << "\n"
        << properties.error().message();
    ++(is_refused_by_java ? counts.refused : counts.stricter);
    return;
  }
  ++counts.accepted;
  ASSERT_TRUE(line.contains("properties")) << text;
  Values values;
  Values expected = line.at("properties").get<Values>();
  // Java adds a property without a name for a backslash on the last line.
  expected.erase("");
  for (const FileProperty& each : *properties) values[each.name] = each.value.reveal();
  EXPECT_EQ(values, expected) << text;
}

TEST(PropertyTexts, OfFilesAreReadAsJavaReadsThem) {
  Counts counts;
  for (const auto& line : golden::read_lines(DOHLE_GOLDEN_PROPERTY_TEXTS)) {
    if (line.contains("file")) check_file(line, counts);
  }
  EXPECT_GT(counts.accepted, 1400);
  EXPECT_GT(counts.refused, 300);
  EXPECT_LT(counts.stricter, 550) << "most begin with = or : and so have no name";
}

}  // namespace
}  // namespace dohle::properties
