#include "base/topic_name.hpp"

#include <gtest/gtest.h>

#include <string>

namespace dohle {
namespace {

TEST(TopicName, AcceptsTheNamesThatKafkaAccepts) {
  for (const std::string& name : {std::string("orders"), std::string("A.b_c-9"), std::string("..."),
                                  std::string("__consumer_offsets"), std::string(249, 'x')}) {
    EXPECT_TRUE(check_topic_name(name)) << name;
  }
}

TEST(TopicName, IsRefusedIfItIsEmptyADirectoryTooLongOrOfOtherCharacters) {
  using enum TopicNameFault;
  EXPECT_EQ(fault_of_topic_name("orders"), none);
  EXPECT_EQ(fault_of_topic_name(""), empty);
  EXPECT_EQ(fault_of_topic_name("."), directory);
  EXPECT_EQ(fault_of_topic_name(".."), directory);
  EXPECT_EQ(fault_of_topic_name(std::string(249, 'x')), none);
  EXPECT_EQ(fault_of_topic_name(std::string(250, 'x')), too_long);
  EXPECT_EQ(fault_of_topic_name("a/b"), other_characters);
  EXPECT_EQ(fault_of_topic_name("d\xc3\xb6ner"), other_characters);
}

TEST(TopicName, NamesThatDifferByDotsAndUnderscoresAloneAreEqualWithoutDots) {
  EXPECT_EQ(undotted("a.b_c"), undotted("a_b.c"));
  EXPECT_NE(undotted("a.b"), undotted("a-b"));
}

TEST(TopicName, QuotesAnIllegalNameWithTheReason) {
  const auto why = [](const std::string& name) {
    const auto checked = check_topic_name(name);
    EXPECT_FALSE(checked) << name;
    if (checked) return std::string();
    EXPECT_TRUE(checked.error().is(Errc::invalid_argument));
    return std::string(checked.error().message());
  };
  EXPECT_NE(why("").find("is empty"), std::string::npos);
  EXPECT_NE(why(".").find("\".\""), std::string::npos);
  EXPECT_NE(why("..").find("directory"), std::string::npos);
  EXPECT_NE(why("a/b").find("\"a/b\" has other characters"), std::string::npos);
  EXPECT_NE(why("^f.*").find("is a pattern"), std::string::npos);
  EXPECT_NE(why("a\nb").find("\"a\\nb\""), std::string::npos);
  EXPECT_NE(why(std::string(250, 'x')).find("longer than 249 bytes"), std::string::npos);
  EXPECT_LT(why(std::string(100'000, 'x')).size(), 300U);
  EXPECT_NE(why("d\xc3\xb6ner").find("ASCII"), std::string::npos);
}

}  // namespace
}  // namespace dohle
