// The topics that a subscription reads, and those of its failed messages, for the given Topics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "messaging/options/settings.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Result<ReadSettings> read(const Topics& topics, const SubscribeOptions& options = {}) {
  return read_settings(topics, options, {});
}
std::string refusal(const Topics& topics, const SubscribeOptions& options = {}) {
  const auto made = read(topics, options);
  if (made) return {};
  EXPECT_TRUE(made.error().category() == ErrorCategory::configuration);
  return std::string(made.error().message());
}

TEST(SubscribedTopics, are_refused_if_there_are_none_or_too_many_or_one_is_illegal) {
  EXPECT_THAT(refusal(std::vector<std::string>{}), HasSubstr("topics (their number) is 0"));
  std::vector<std::string> many;
  for (std::size_t i = 0; i <= Topics::max_topics; ++i) many.push_back(std::to_string(i));
  EXPECT_THAT(refusal(many), HasSubstr("topics (their number) is 10001; allowed are 1 to 10000"));
  EXPECT_THAT(refusal({"orders", "a b"}), HasSubstr("a b"));
  EXPECT_THAT(refusal("sensor.*"), HasSubstr("kafka::pattern"));
  EXPECT_EQ(refusal({"orders", "payments"}), "");
}

TEST(SubscribedTopics, have_a_partition_only_if_there_is_one_topic) {
  const SubscribeOptions options{.partition = PartitionId{3}};
  EXPECT_EQ(refusal("orders", options), "");
  EXPECT_THAT(refusal({"orders", "payments"}, options),
              AllOf(HasSubstr("partition is 3"), HasSubstr("one topic only"),
                    HasSubstr("orders,payments")));
  EXPECT_THAT(refusal(kafka::pattern("o.*"), options),
              AllOf(HasSubstr("partition is 3"), HasSubstr("a pattern, o.*")));
}

TEST(SubscribedTopics, of_an_invalid_pattern_are_refused_with_the_error_of_re2) {
  EXPECT_THAT(refusal(kafka::pattern("orders(")), HasSubstr("missing )"));
}

TEST(SubscribedTopics, each_have_their_own_redirections) {
  const auto made =
      read({"a", "b"},
           {.group_id = "g", .retry_topics = {5s}, .failure_policy = FailurePolicy::dead_letter});
  ASSERT_TRUE(made) << made.error().to_string();
  EXPECT_THAT(made->plan.topics, ElementsAre("a", "b"));
  ASSERT_EQ(made->state.redirects_of.size(), 2u);
  EXPECT_EQ(made->state.redirects_of.at("a").retries[0].name, "a.g.retry.5s");
  EXPECT_EQ(made->state.redirects_of.at("b").dead_letters->name, "b.g.dlt");
  EXPECT_FALSE(made->state.redirects.empty()) << "it has the delays";
}

TEST(SubscribedTopics, must_not_be_their_own_retry_or_dead_letter_topics) {
  EXPECT_THAT(
      refusal({"a", "a.g.dlt"}, {.group_id = "g", .failure_policy = FailurePolicy::dead_letter}),
      AllOf(HasSubstr("a.g.dlt"), HasSubstr("come back for ever")));
  EXPECT_THAT(refusal({"a.g.retry.5s", "a"}, {.group_id = "g", .retry_topics = {5s}}),
              HasSubstr("come back for ever"));
  EXPECT_EQ(
      refusal({"a", "a.h.dlt"}, {.group_id = "g", .failure_policy = FailurePolicy::dead_letter}),
      "");
}

TEST(SubscribedTopics, of_a_pattern_start_at_the_given_offset_and_later_ones_at_their_beginning) {
  const auto alone = read(kafka::pattern("a.*"));
  ASSERT_TRUE(alone);
  EXPECT_THAT(alone->plan.topics, IsEmpty());
  EXPECT_EQ(alone->plan.start, StartOffset::last());
  EXPECT_EQ(alone->consumer.offset_reset, OffsetReset::earliest);
  EXPECT_TRUE(alone->plan.resets_to_first);
  const auto grouped = read(kafka::pattern("a.*"), {.group_id = "g"});
  ASSERT_TRUE(grouped);
  EXPECT_FALSE(grouped->plan.start);
  const auto named = read("a", {.group_id = "g", .start_offset = StartOffset::last()});
  ASSERT_TRUE(named);
  EXPECT_FALSE(named->plan.resets_to_first);
}

TEST(SubscribedTopics, of_a_pattern_have_redirections_once_they_are_known) {
  const auto made = read(kafka::pattern("a.*", {.include_internal = true}),
                         {.group_id = "g", .retry_topics = {5s}});
  ASSERT_TRUE(made) << made.error().to_string();
  ASSERT_EQ(made->state.redirects.retries.size(), 1u);
  EXPECT_EQ(made->state.redirects.retries[0].delay, 5s);
  EXPECT_EQ(made->state.redirects.retries[0].name, "") << "it is no topic's";
  ASSERT_TRUE(made->plan.make_redirects);
  const auto& is_own = made->plan.pattern->is_own;
  ASSERT_TRUE(is_own);
  EXPECT_TRUE(is_own("a.g.retry.5s"));
  EXPECT_FALSE(is_own("a.h.retry.5s"));
  EXPECT_FALSE(read(kafka::pattern("a.*"), {.group_id = "g"})->plan.make_redirects);
  EXPECT_THAT(refusal(kafka::pattern("a.*"), {.group_id = "my group", .retry_topics = {5s}}),
              HasSubstr("TOPIC.my group.retry.5s"));
}

}  // namespace
}  // namespace dohle::messaging
