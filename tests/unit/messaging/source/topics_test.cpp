#include "dohle/topics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dohle {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Topics of(Topics topics) {
  return topics;
}

TEST(Topics, are_made_of_a_name_of_names_and_of_a_pattern) {
  const std::string text = "orders";
  EXPECT_THAT(of("orders").names(), ElementsAre("orders"));
  EXPECT_THAT(of(text).names(), ElementsAre("orders"));
  EXPECT_THAT(of(std::string_view(text)).names(), ElementsAre("orders"));
  EXPECT_THAT(of({"orders", "payments"}).names(), ElementsAre("orders", "payments"));
  EXPECT_THAT(of(std::vector<std::string>{"b", "a"}).names(), ElementsAre("b", "a"));
  EXPECT_THAT(of(std::vector<std::string>{}).names(), IsEmpty());
  const Topics pattern = kafka::pattern("orders\\..*");
  EXPECT_THAT(pattern.names(), IsEmpty());
  EXPECT_EQ(pattern.pattern(), (TopicPattern{.expression = "orders\\..*"}));
  EXPECT_TRUE(kafka::pattern("a", {.include_internal = true}).include_internal);
}

TEST(Topics, count_each_name_once) {
  EXPECT_THAT(of({"b", "a", "b", "a"}).names(), ElementsAre("b", "a"));
  EXPECT_TRUE(of({"a", "a"}).is_one());
  EXPECT_FALSE(of({"a", "b"}).is_one());
  EXPECT_FALSE(of(kafka::pattern("a")).is_one());
}

TEST(Topics, have_a_short_text) {
  EXPECT_EQ(of("a").to_string(), "a");
  EXPECT_EQ(of({"a", "b"}).to_string(), "a,b");
  EXPECT_EQ(of(kafka::pattern("a.*")).to_string(), "a.*");
  std::vector<std::string> many;
  for (int i = 0; i < 1'000; ++i) many.push_back("topic-" + std::to_string(i));
  const std::string text = of(many).to_string();
  EXPECT_LT(text.size(), 300u);
  EXPECT_TRUE(text.ends_with(" others")) << text;
}

}  // namespace
}  // namespace dohle
