#include "messaging/failures/retry_topics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::string refusal(std::string_view topic, std::string_view group, const SubscribeOptions& options,
                    FailurePolicy policy = FailurePolicy::hold) {
  const auto made = redirect_topics(topic, group, options, policy);
  return made ? "" : std::string(made.error().message());
}

TEST(DelayText, is_in_the_largest_unit_without_a_fraction) {
  EXPECT_EQ(delay_text(500ms), "500ms");
  EXPECT_EQ(delay_text(1'500ms), "1500ms");
  EXPECT_EQ(delay_text(5s), "5s");
  EXPECT_EQ(delay_text(90s), "90s");
  EXPECT_EQ(delay_text(10min), "10m");
  EXPECT_EQ(delay_text(2h), "120m");
}

TEST(RedirectTopics, are_named_by_topic_group_and_delay) {
  const auto made = redirect_topics("orders", "billing", {.retry_topics = {500ms, 5s, 10min}},
                                    FailurePolicy::dead_letter);
  ASSERT_TRUE(made.has_value());
  ASSERT_EQ(made->retries.size(), 3u);
  EXPECT_EQ(made->retries[0].name, "orders.billing.retry.500ms");
  EXPECT_EQ(made->retries[1].name, "orders.billing.retry.5s");
  EXPECT_EQ(made->retries[2].name, "orders.billing.retry.10m");
  EXPECT_EQ(made->retries[2].delay, 10min);
  EXPECT_EQ(made->dead_letters->name, "orders.billing.dlt");
}

TEST(RedirectTopics, begin_with_the_prefix_in_place_of_topic_and_group) {
  const auto made =
      redirect_topics("orders", "billing", {.retry_topics = {5s}, .retry_prefix = "team.x"},
                      FailurePolicy::dead_letter);
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(made->retries[0].name, "team.x.retry.5s");
  EXPECT_EQ(made->dead_letters->name, "team.x.dlt");
}

TEST(RedirectTopics, do_not_exist_unless_an_option_needs_them) {
  EXPECT_TRUE(redirect_topics("orders", "", {}, FailurePolicy::hold)->empty());
  const FailureDecision decision = [](const Error&, const RawEvent&) {
    return FailureAction::skip;
  };
  EXPECT_TRUE(
      redirect_topics("orders", "", {.failure_decision = decision}, FailurePolicy::hold)->empty());
  EXPECT_TRUE(redirect_topics("orders", "g", {.failure_decision = decision}, FailurePolicy::hold)
                  ->dead_letters.has_value());
}

TEST(RedirectTopics, with_an_illegal_or_too_long_name_are_refused_with_advice_to_set_a_prefix) {
  const std::string illegal = refusal("orders", "my group", {.retry_topics = {5s}});
  EXPECT_THAT(illegal, HasSubstr("orders.my group.retry.5s"));
  EXPECT_THAT(illegal, HasSubstr("retry_prefix"));
  const std::string longest(249 - std::string(".g.retry.5s").size(), 'x');
  EXPECT_EQ(refusal(longest, "g", {.retry_topics = {5s}}), "");
  EXPECT_THAT(refusal(longest + "x", "g", {.retry_topics = {5s}}), HasSubstr("retry_prefix"));
  EXPECT_THAT(refusal("orders", "a/b", {}, FailurePolicy::dead_letter), HasSubstr("dead letters"));
}

TEST(RedirectTopics, must_differ_from_the_topic_that_is_read) {
  const SubscribeOptions options{.retry_topics = {5s}, .retry_prefix = "orders.billing"};
  const auto refused = [&](std::string_view topic) {
    return refusal(topic, "billing", options, FailurePolicy::dead_letter);
  };
  EXPECT_THAT(refused("orders.billing.dlt"), HasSubstr("come back for ever"));
  EXPECT_THAT(refused("orders.billing.retry.5s"), HasSubstr("retry_prefix"));
  EXPECT_EQ(refused("orders.billing.retry.10s"), "");
}

TEST(RedirectTopics, are_recognized_by_their_names) {
  EXPECT_TRUE(is_redirect_topic("orders.g.retry.5s", "g", ""));
  EXPECT_TRUE(is_redirect_topic("orders.g.dlt", "g", ""));
  EXPECT_FALSE(is_redirect_topic("orders.h.retry.5s", "g", ""));
  EXPECT_FALSE(is_redirect_topic("orders.bag.dlt", "g", ""));
  EXPECT_FALSE(is_redirect_topic("orders.g", "g", ""));
  EXPECT_TRUE(is_redirect_topic("team.retry.5s", "g", "team"));
  EXPECT_TRUE(is_redirect_topic("team.dlt", "g", "team"));
  EXPECT_FALSE(is_redirect_topic("team.x.dlt", "g", "team"));
  EXPECT_FALSE(is_redirect_topic("orders.g.dlt", "g", "team"));
}

TEST(RedirectTopics, need_a_group) {
  EXPECT_THAT(refusal("orders", "", {.retry_topics = {5s}}), HasSubstr("retry_topics"));
  EXPECT_THAT(refusal("orders", "", {}, FailurePolicy::dead_letter), HasSubstr("dead_letter"));
}

TEST(RedirectTopics, must_have_delays_that_grow_within_their_range) {
  EXPECT_THAT(refusal("t", "g", {.retry_topics = {0ms}}), HasSubstr("1 to 2592000000"));
  EXPECT_THAT(refusal("t", "g", {.retry_topics = {24h * 31}}), HasSubstr("retry_topics"));
  EXPECT_THAT(refusal("t", "g", {.retry_topics = {5s, 5s}}), HasSubstr("longer"));
  EXPECT_THAT(refusal("t", "g", {.retry_topics = {1min, 5s}}), HasSubstr("1m and then 5s"));
  EXPECT_THAT(refusal("t", "g", {.retry_topics = std::vector<std::chrono::milliseconds>(21, 5s)}),
              HasSubstr("retry_topics"));
}

TEST(RedirectTopics, refuse_a_prefix_that_nothing_needs) {
  EXPECT_THAT(refusal("t", "g", {.retry_prefix = "x"}), HasSubstr("retry_prefix is x"));
}

}  // namespace
}  // namespace dohle::messaging
