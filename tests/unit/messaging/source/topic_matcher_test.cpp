#include "messaging/source/topic_matcher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dohle::messaging {
namespace {

using testing::AllOf;
using testing::HasSubstr;

bool matches(const TopicPattern& pattern, std::string_view topic, bool is_internal = false) {
  const auto compiled = TopicMatcher::compile(pattern);
  if (!compiled) ADD_FAILURE() << compiled.error().to_string();
  return compiled && compiled->matches(topic, is_internal);
}

std::string refusal(const std::string& expression) {
  const auto compiled = TopicMatcher::compile(kafka::pattern(expression));
  if (compiled) return {};
  EXPECT_TRUE(compiled.error().category() == ErrorCategory::configuration);
  return std::string(compiled.error().message());
}

TEST(TopicMatcher, matches_whole_names) {
  const TopicPattern pattern = kafka::pattern("sensor\\..*");
  EXPECT_TRUE(matches(pattern, "sensor.kitchen"));
  EXPECT_TRUE(matches(pattern, "sensor."));
  EXPECT_FALSE(matches(pattern, "sensors"));
  EXPECT_FALSE(matches(pattern, "my.sensor.kitchen"));
  EXPECT_FALSE(matches(kafka::pattern("sensor"), "sensor.kitchen"));
  EXPECT_TRUE(matches(kafka::pattern("a|b"), "b"));
}

TEST(TopicMatcher, leaves_out_retry_topics_dead_letters_and_internal_topics_unless_asked) {
  const TopicPattern all = kafka::pattern(".*");
  const TopicPattern really_all = kafka::pattern(".*", {.include_internal = true});
  for (const char* topic :
       {"orders.billing.retry.5s", "orders.billing.dlt", "__consumer_offsets", "__delay.1m"}) {
    EXPECT_FALSE(matches(all, topic)) << topic;
    EXPECT_TRUE(matches(really_all, topic)) << topic;
  }
  EXPECT_FALSE(matches(all, "of-the-server", true));
  EXPECT_TRUE(matches(really_all, "of-the-server", true));
  for (const char* topic :
       {"orders", "_orders", "orders.retry", "retry.orders", "dlt", "a.dlt.b"}) {
    EXPECT_TRUE(matches(all, topic)) << topic;
  }
}

TEST(TopicMatcher, quotes_the_error_of_re2) {
  EXPECT_THAT(refusal("sensor(.*"),
              AllOf(HasSubstr("\"sensor(.*\""), HasSubstr("missing )"), HasSubstr("RE2")));
  EXPECT_THAT(refusal("(?=a)"), HasSubstr("invalid perl operator"));
  EXPECT_THAT(refusal("a\\1"), HasSubstr("invalid escape sequence"));
}

TEST(TopicMatcher, names_its_bounds_in_errors) {
  EXPECT_THAT(refusal(""), HasSubstr("is empty"));
  EXPECT_EQ(refusal(std::string(TopicPattern::max_expression_bytes, 'a')), "");
  EXPECT_THAT(refusal(std::string(TopicPattern::max_expression_bytes + 1, 'a')),
              AllOf(HasSubstr("4097 bytes"), HasSubstr("max_expression_bytes")));
  EXPECT_THAT(refusal("((a{100}){100}){100}"), HasSubstr("RE2"));
  EXPECT_THAT(refusal("(\\pL{0,500}){2}"),
              AllOf(HasSubstr("1048576 bytes"), HasSubstr("max_memory_bytes")));
}

}  // namespace
}  // namespace dohle::messaging
