#include "messaging/source/topic_look.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/broker_errors.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

const Error down = Error::client(Errc::timed_out, "no server");

class TopicLookTest : public testing::Test {
 protected:
  static std::vector<TopicListing> listed(const std::string& name) {
    return {{.name = name, .id = {}, .is_internal = false, .partitions = 1}};
  }
  /// Begins a look, which has to be possible.
  std::uint64_t begin(TimePoint newer_than) {
    const auto begun = look.on_wanted(newer_than, now);
    EXPECT_TRUE(begun);
    return begun.value_or(0);
  }
  void fail_once() {
    now = std::max(now, look.next_at());
    look.on_failed(begin(now), down, now);
  }

  TimePoint now = TimePoint(Duration(1h));
  TopicLook look{{.timeout = 10s, .min_backoff = 100ms, .max_backoff = 300ms}};
};

TEST_F(TopicLookTest, begins_when_the_first_subscription_wants_a_list) {
  EXPECT_EQ(look.list().topics, nullptr);
  look.on_list(begin(now), listed("a"));
  ASSERT_NE(look.list().topics, nullptr);
  EXPECT_EQ(look.list().topics->front().name, "a");
  EXPECT_EQ(look.list().asked_at, now);
}

TEST_F(TopicLookTest, is_shared_by_all_subscriptions_that_want_a_list_meanwhile) {
  const std::uint64_t one = begin(now);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(look.on_wanted(now, now + 1s));
  look.on_list(one, listed("a"));
  EXPECT_FALSE(look.on_wanted(now, now + 2s)) << "the list is as new as they want it";
}

TEST_F(TopicLookTest, begins_again_for_a_list_that_is_newer_than_the_one_under_way) {
  const std::uint64_t one = begin(now);
  const TimePoint started = now + 1s;
  EXPECT_FALSE(look.on_wanted(started, started)) << "one request at a time";
  look.on_list(one, listed("a"));
  now = started + 1s;
  EXPECT_NE(begin(started), one);
}

TEST_F(TopicLookTest, waits_longer_after_each_failure_in_a_row) {
  for (const auto wait : {100ms, 200ms, 300ms, 300ms}) {
    look.on_failed(begin(now), down, now);
    EXPECT_EQ(look.next_at(), now + wait);
    EXPECT_FALSE(look.on_wanted(now, now + wait - 1ns));
    now += wait;
  }
  look.on_list(begin(now), listed("a"));
  now += 1s;
  look.on_failed(begin(now), down, now);
  EXPECT_EQ(look.next_at(), now + 100ms) << "a list ends the row";
}

TEST_F(TopicLookTest, counts_an_answer_after_its_timeout_as_lost) {
  const std::uint64_t lost = begin(now);
  EXPECT_EQ(look.next_at(), now + 10s + TopicLook::grace);
  now = look.next_at();
  EXPECT_FALSE(look.on_wanted(now, now)) << "it waits as after any failure";
  const auto failure = look.take_failure();
  ASSERT_TRUE(failure);
  EXPECT_TRUE(failure->why.is(Errc::timed_out));
  now = look.next_at();
  const std::uint64_t next = begin(now);
  look.on_list(lost, listed("late"));
  EXPECT_EQ(look.list().topics, nullptr) << "the answer of an earlier look";
  look.on_list(next, listed("a"));
  EXPECT_NE(look.list().topics, nullptr);
}

TEST_F(TopicLookTest, reports_a_failure_at_once_if_no_list_has_come) {
  EXPECT_FALSE(look.take_failure());
  fail_once();
  EXPECT_TRUE(look.take_failure()->is_to_tell);
  EXPECT_FALSE(look.take_failure()->is_to_tell) << "one subscription is enough";
  fail_once();
  EXPECT_FALSE(look.take_failure()->is_to_tell) << "the same outage";
}

TEST_F(TopicLookTest, reports_repeated_failures_once_after_a_list) {
  look.on_list(begin(now), listed("a"));
  EXPECT_FALSE(look.take_failure());
  for (int outage = 0; outage < 2; ++outage) {
    now += 1s;
    fail_once();
    EXPECT_FALSE(look.take_failure()->is_to_tell) << "one failure delays a new topic only";
    fail_once();
    EXPECT_TRUE(look.take_failure()->is_to_tell);
    fail_once();
    EXPECT_FALSE(look.take_failure()->is_to_tell);
    now = std::max(now, look.next_at());
    look.on_list(begin(now), listed("a"));
    EXPECT_FALSE(look.take_failure());
  }
}

TEST_F(TopicLookTest, asks_once_about_a_topic_that_several_subscriptions_miss) {
  const std::vector<std::string> both{"a", "b"};
  EXPECT_THAT(look.on_missing(both), ElementsAre("a", "b"));
  EXPECT_THAT(look.on_missing(std::vector<std::string>{"b", "c"}), ElementsAre("c"));
  EXPECT_EQ(look.verdict("a"), nullptr);
  const Error missing = Error::broker(broker_error::unknown_topic_or_partition);
  look.on_described(
      both, std::vector<Named<TopicDescription>>{{"a", fail(missing)}, {"b", TopicDescription{}}});
  ASSERT_NE(look.verdict("a"), nullptr);
  EXPECT_FALSE(*look.verdict("a"));
  ASSERT_NE(look.verdict("b"), nullptr);
  EXPECT_TRUE(*look.verdict("b"));
  EXPECT_EQ(look.verdict("c"), nullptr);
  EXPECT_THAT(look.on_missing(both), IsEmpty()) << "until the next list";
}

TEST_F(TopicLookTest, asks_again_about_a_topic_that_the_next_list_lacks) {
  const std::vector<std::string> asked{"a"};
  (void)look.on_missing(asked);
  look.on_list(begin(now), listed("b"));
  EXPECT_THAT(look.on_missing(asked), IsEmpty()) << "the answer is still awaited";
  look.on_described(asked, fail(down));
  EXPECT_EQ(look.verdict("a"), nullptr);
  EXPECT_THAT(look.on_missing(asked), ElementsAre("a")) << "nothing is known of it";
  look.on_described(asked, std::vector<Named<TopicDescription>>{{"a", TopicDescription{}}});
  now += 1s;
  look.on_list(begin(now), listed("b"));
  EXPECT_EQ(look.verdict("a"), nullptr);
  EXPECT_THAT(look.on_missing(asked), ElementsAre("a"));
}

TEST_F(TopicLookTest, changes_its_news_number_with_each_answer) {
  const std::uint64_t before = look.news();
  const std::uint64_t one = begin(now);
  EXPECT_EQ(look.news(), before);
  look.on_list(one, listed("a"));
  EXPECT_EQ(look.news(), before + 1);
  look.on_list(one, listed("a"));
  EXPECT_EQ(look.news(), before + 1) << "it was answered";
  now += 1s;
  fail_once();
  EXPECT_EQ(look.news(), before + 2);
}

}  // namespace
}  // namespace dohle::messaging
