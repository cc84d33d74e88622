#include "messaging/failures/retry_policy.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "../random_events.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;
using RetryInPlace = RetryPolicy::RetryInPlace;
using UseRetryTopic = RetryPolicy::UseRetryTopic;
using GiveUp = RetryPolicy::GiveUp;
using Decision = RetryPolicy::Decision;

const Error broken = Error::client(Errc::handler_failed, "broken");

std::chrono::nanoseconds wait_of(const Decision& decision) {
  const auto* const in_place = std::get_if<RetryInPlace>(&decision);
  return in_place == nullptr ? -1ns : in_place->wait;
}

TEST(RetryPolicy, waits_longer_before_each_retry_up_to_the_longest) {
  RetryPolicy policy({.max_retries = 6, .retry_delay = 100ms, .max_retry_delay = 1s});
  std::chrono::milliseconds least = 100ms;
  for (int attempt = 1; attempt <= 6; ++attempt) {
    const auto wait = wait_of(policy.decide({.why = broken, .attempt = attempt}));
    EXPECT_GE(wait, least) << attempt;
    EXPECT_LE(wait, least * 6 / 5) << attempt;
    least = std::min<std::chrono::milliseconds>(2 * least, 1s);
  }
  EXPECT_EQ(policy.decide({.why = broken, .attempt = 7}), Decision(GiveUp{FailurePolicy::hold}));
}

TEST(RetryPolicy, does_not_wait_with_a_delay_of_zero_and_keeps_a_delay_above_the_longest) {
  RetryPolicy none({.retry_delay = 0ms});
  EXPECT_EQ(wait_of(none.decide({.why = broken, .attempt = 3})), 0ns);
  RetryPolicy slow({.retry_delay = 1min});
  EXPECT_GE(wait_of(slow.decide({.why = broken, .attempt = 3})), 1min);
  EXPECT_LE(wait_of(slow.decide({.why = broken, .attempt = 3})), 72s);
}

TEST(RetryPolicy, draws_different_waits_with_another_seed) {
  const auto waits = [](std::uint64_t seed) {
    RetryPolicy policy({.seed = seed});
    return std::pair(wait_of(policy.decide({.why = broken, .attempt = 1})),
                     wait_of(policy.decide({.why = broken, .attempt = 2})));
  };
  EXPECT_EQ(waits(1), waits(1));
  EXPECT_NE(waits(1), waits(2));
}

TEST(RetryPolicy, uses_each_retry_topic_once_after_the_retries_in_place) {
  RetryPolicy policy({.max_retries = 1,
                      .failure_policy = FailurePolicy::dead_letter,
                      .topic_delays = {5s, 1min},
                      .has_dead_letters = true});
  EXPECT_GE(wait_of(policy.decide({.why = broken, .attempt = 1})), 0ns);
  EXPECT_EQ(policy.decide({.why = broken, .attempt = 2}), Decision(UseRetryTopic{1}));
  EXPECT_EQ(policy.decide({.why = broken, .level = 1}), Decision(UseRetryTopic{2}))
      << "without retries in place";
  EXPECT_EQ(policy.decide({.why = broken, .level = 2}),
            Decision(GiveUp{FailurePolicy::dead_letter}));
}

TEST(RetryPolicy, never_retries_a_failed_decode_or_a_permanent_error) {
  RetryPolicy policy({.failure_policy = FailurePolicy::skip, .topic_delays = {5s}});
  for (const Error& why : {Error::client(Errc::codec_failed, "no JSON"), permanent(broken)}) {
    EXPECT_TRUE(is_permanent(why));
    EXPECT_EQ(policy.decide({.why = why}), Decision(GiveUp{FailurePolicy::skip}));
    EXPECT_EQ(policy.decide({.why = why, .asked = FailureAction::hold}),
              Decision(GiveUp{FailurePolicy::hold}));
    EXPECT_EQ(policy.decide({.why = why, .wanted_level = 1}), Decision(GiveUp{FailurePolicy::skip}))
        << "not by a retry_after before it either";
  }
  EXPECT_FALSE(is_permanent(broken));
}

TEST(RetryPolicy, follows_the_decision_of_the_program) {
  RetryPolicy policy({.topic_delays = {5s}, .has_dead_letters = true});
  const std::pair<FailureAction, FailurePolicy> asked[] = {
      {FailureAction::hold, FailurePolicy::hold},
      {FailureAction::skip, FailurePolicy::skip},
      {FailureAction::dead_letter, FailurePolicy::dead_letter},
      {FailureAction::stop, FailurePolicy::stop}};
  for (const auto& [action, expected] : asked) {
    EXPECT_EQ(policy.decide({.why = broken, .asked = action}), Decision(GiveUp{expected}));
  }
  EXPECT_GE(wait_of(policy.decide({.why = broken, .asked = FailureAction::retry})), 0ns);
}

TEST(RetryPolicy, applies_the_failure_policy_to_dead_letters_without_a_topic_for_them) {
  RetryPolicy policy({.failure_policy = FailurePolicy::skip});
  EXPECT_EQ(policy.decide({.why = broken, .asked = FailureAction::dead_letter}),
            Decision(GiveUp{FailurePolicy::skip}));
}

TEST(RetryPolicy, finds_the_next_retry_topic_whose_delay_is_long_enough) {
  const RetryPolicy policy({.topic_delays = {5s, 1min, 10min}});
  EXPECT_EQ(policy.level_after(0, 1s), 1u);
  EXPECT_EQ(policy.level_after(0, 5s), 1u);
  EXPECT_EQ(policy.level_after(0, 5001ms), 2u);
  EXPECT_EQ(policy.level_after(2, 1s), 3u) << "each is used once";
  EXPECT_EQ(policy.level_after(3, 1s), std::nullopt);
  EXPECT_EQ(policy.level_after(0, 1h), std::nullopt);
}

TEST(RetryPolicy, uses_the_topic_that_the_handler_asked_for) {
  RetryPolicy policy({.topic_delays = {5s, 1min}});
  EXPECT_EQ(policy.decide({.why = broken, .wanted_level = 2}), Decision(UseRetryTopic{2}));
}

// Whatever fails, and how: a message ends after at most its retries, its topics and one policy.
TEST(RandomFailures, EndWithinTheirRetries) {
  test::play_seeds(2'000, [](Random& random) {
    RetryPolicy::Settings settings{.max_retries = static_cast<int>(random.below(4)),
                                   .retry_delay = std::chrono::milliseconds(random.below(300)),
                                   .failure_policy = static_cast<FailurePolicy>(random.below(4)),
                                   .has_dead_letters = true,
                                   .seed = random.next()};
    for (std::uint64_t i = random.below(4); i > 0; --i) {
      settings.topic_delays.push_back(std::chrono::seconds(5 - i));
    }
    RetryPolicy policy(settings);
    int attempt = 1, in_place = 0;
    std::size_t level = 0;
    for (;;) {
      const Error why = random.below(20) == 0 ? permanent(broken) : broken;
      const std::size_t wanted =
          random.below(5) == 0 ? policy.level_after(level, 1s).value_or(0) : 0;
      const FailureAction asked =
          random.below(20) == 0 ? FailureAction::skip : FailureAction::retry;
      const Decision decision = policy.decide(
          {.why = why, .attempt = attempt, .level = level, .asked = asked, .wanted_level = wanted});
      if (std::holds_alternative<GiveUp>(decision)) {
        const FailurePolicy end = std::get<GiveUp>(decision).policy;
        ASSERT_TRUE(end == settings.failure_policy || asked == FailureAction::skip);
        ASSERT_TRUE(asked == FailureAction::skip || is_permanent(why) ||
                    level == settings.topic_delays.size());
        break;
      }
      ASSERT_EQ(asked, FailureAction::retry);
      ASSERT_FALSE(is_permanent(why));
      if (const auto* const topic = std::get_if<UseRetryTopic>(&decision)) {
        ASSERT_GT(topic->level, level);
        ASSERT_LE(topic->level, settings.topic_delays.size());
        level = topic->level;
        attempt = 1;
      } else {
        ASSERT_EQ(level, 0u);
        ASSERT_LE(++in_place, settings.max_retries);
        ++attempt;
      }
    }
  });
}

}  // namespace
}  // namespace dohle::messaging
