#include "messaging/source/shared_look.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "messaging/reports/reports.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

/// A SharedLook whose requests wait for the test's answers.
class SharedLookTest : public testing::Test {
 protected:
  static std::vector<TopicListing> listed(const std::string& name) {
    return {{.name = name, .id = {}, .is_internal = false, .partitions = 1}};
  }

  std::vector<SharedLook::Listed> lists;
  std::vector<std::pair<std::vector<std::string>, SharedLook::Described>> descriptions;
  std::shared_ptr<SharedLook> look = std::make_shared<SharedLook>(
      TopicLook::Settings{},
      SharedLook::Means{
          .list = [this](std::chrono::milliseconds,
                         SharedLook::Listed then) { lists.push_back(std::move(then)); },
          .describe =
              [this](std::vector<std::string> names, std::chrono::milliseconds,
                     SharedLook::Described then) {
                descriptions.emplace_back(std::move(names), std::move(then));
              }});
  TimePoint now = monotonic_now();
};

TEST_F(SharedLookTest, makes_one_request_an_interval_for_all_members) {
  constexpr int members = 5;
  int woken = 0;
  std::vector<std::unique_ptr<SharedLook::Member>> all;
  for (int i = 0; i < members; ++i) {
    all.push_back(std::make_unique<SharedLook::Member>(look, [&woken] { ++woken; }));
  }
  for (std::size_t interval = 0; interval < 3; ++interval) {
    const TimePoint due = now;
    const std::uint64_t seen = look->news({}).count;
    for (int i = 0; i < members; ++i) {
      EXPECT_GT(look->want(due, now), now);
      now += 1ms;
    }
    ASSERT_THAT(lists, SizeIs(interval + 1));
    EXPECT_FALSE(look->has_news(seen));
    woken = 0;
    lists.back()(listed("a"));
    EXPECT_EQ(woken, members);
    EXPECT_TRUE(look->has_news(seen));
    for (int i = 0; i < members; ++i) EXPECT_EQ(look->news({}).list.look, interval + 1);
    now = due + 5s;
  }
}

TEST_F(SharedLookTest, wakes_no_member_that_has_ended) {
  int woken = 0;
  std::optional<SharedLook::Member> member;
  member.emplace(look, [&woken] { ++woken; });
  (void)look->want(now, now);
  member.reset();
  lists.back()(listed("a"));
  EXPECT_EQ(woken, 0);
}

TEST_F(SharedLookTest, takes_no_answer_after_its_end) {
  (void)look->want(now, now);
  look.reset();
  lists.back()(listed("a"));
}

TEST_F(SharedLookTest, gives_a_failure_to_one_member_which_reports_it) {
  (void)look->want(now, now);
  lists.back()(fail(Error::client(Errc::timed_out, "no server")));
  const auto first = look->news({}).failure;
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->is_to_tell);
  const auto second = look->news({}).failure;
  ASSERT_TRUE(second) << "each member may say why it is not ready";
  EXPECT_FALSE(second->is_to_tell);
}

TEST_F(SharedLookTest, asks_once_about_a_topic_that_all_members_miss) {
  const std::vector<std::string> missing{"a"};
  EXPECT_THAT(look->ask_about(missing), IsEmpty());
  EXPECT_THAT(look->ask_about(missing), IsEmpty());
  ASSERT_THAT(descriptions, SizeIs(1));
  EXPECT_THAT(descriptions[0].first, ElementsAre("a"));
  const std::uint64_t seen = look->news({}).count;
  descriptions[0].second(std::vector<Named<TopicDescription>>{{"a", TopicDescription{}}});
  EXPECT_TRUE(look->has_news(seen));
  EXPECT_THAT(look->news(missing).verdicts, SizeIs(1));
  EXPECT_THAT(look->news({}).verdicts, IsEmpty()) << "no other topic was asked for";
  EXPECT_THAT(look->ask_about(missing), SizeIs(1)) << "a member that comes later knows it at once";
  EXPECT_THAT(descriptions, SizeIs(1));
}

TEST_F(SharedLookTest, calls_its_members_for_other_work) {
  int woken = 0;
  const SharedLook::Member member(look, [&woken] { ++woken; });
  const std::uint64_t seen = look->news({}).count;
  look->call_members();
  EXPECT_EQ(woken, 1);
  EXPECT_TRUE(look->has_news(seen));
}

}  // namespace
}  // namespace dohle::messaging
