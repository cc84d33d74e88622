#include "messaging/source/topic_watch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TopicId id(std::uint8_t number) {
  TopicId made;
  made.bytes[15] = number;
  return made;
}

TopicListing topic(std::string name, std::int32_t partitions = 1, std::uint8_t number = 1) {
  return {
      .name = std::move(name), .id = id(number), .is_internal = false, .partitions = partitions};
}

std::vector<TopicListing> listed(std::initializer_list<std::string> names) {
  std::vector<TopicListing> all;
  for (const std::string& name : names) all.push_back(topic(name));
  return all;
}

class TopicWatchTest : public testing::Test {
 protected:
  TopicWatch& watch() {
    if (!made_) {
      made_.emplace(TopicWatch::Settings{.matcher = TopicMatcher::compile(pattern).value(),
                                         .is_own = is_own,
                                         .max_topics = max_topics,
                                         .prepares = prepares,
                                         .min_between_misses = interval});
    }
    return *made_;
  }
  /// A list that is asked for an interval after the one before.
  TopicWatch::Change take(const std::vector<TopicListing>& all) {
    now += interval;
    return watch().on_list(all, now);
  }
  TopicWatch::Change see(std::initializer_list<std::string> names) { return take(listed(names)); }
  /// A list that is asked for sooner after the one before.
  TopicWatch::Change see_early(std::initializer_list<std::string> names) {
    now += interval / 5;
    return watch().on_list(listed(names), now);
  }

  TopicPattern pattern = kafka::pattern("s\\..*");
  std::function<bool(std::string_view)> is_own = nullptr;
  std::size_t max_topics = 100;
  bool prepares = false;
  Duration interval = 5s;
  TimePoint now{};

 private:
  std::optional<TopicWatch> made_;
};

TEST_F(TopicWatchTest, reads_the_topics_that_match) {
  const auto change = see({"other", "s.a", "s.a.g.dlt", "s.b"});
  EXPECT_THAT(change.added, ElementsAre("s.a", "s.b"));
  EXPECT_THAT(change.missing, IsEmpty());
  EXPECT_THAT(change.troubles, IsEmpty());
  EXPECT_THAT(watch().topics(), ElementsAre("s.a", "s.b"));
  EXPECT_TRUE(watch().reads("s.a"));
  EXPECT_FALSE(watch().reads("other"));
  EXPECT_FALSE(watch().is_late("s.a"));
}

TEST_F(TopicWatchTest, picks_up_a_topic_that_appears_and_marks_it_as_late) {
  (void)see({"s.a"});
  const auto change = see({"s.a", "s.b"});
  EXPECT_THAT(change.added, ElementsAre("s.b"));
  EXPECT_TRUE(watch().is_late("s.b"));
  EXPECT_FALSE(watch().is_late("s.a"));
  EXPECT_THAT(see({"s.a", "s.b"}).added, IsEmpty());
}

TEST_F(TopicWatchTest, waits_for_the_partitions_of_a_topic_that_is_being_created) {
  EXPECT_THAT(take(std::vector{topic("s.a", 0)}).added, IsEmpty());
  EXPECT_THAT(take(std::vector{topic("s.a", 3)}).added, ElementsAre("s.a"));
  EXPECT_THAT(watch().partitions(), SizeIs(3));
}

TEST_F(TopicWatchTest, counts_a_topic_as_missing_from_the_second_list_in_a_row_on) {
  (void)see({"s.a", "s.b"});
  EXPECT_THAT(see({"s.b"}).missing, IsEmpty()) << "a server may know of it later than another";
  EXPECT_THAT(see({"s.a", "s.b"}).missing, IsEmpty());
  EXPECT_THAT(see({"s.b"}).missing, IsEmpty()) << "only lists in a row count";
  EXPECT_THAT(see({"s.b"}).missing, ElementsAre("s.a"));
  EXPECT_THAT(see({"s.b"}).missing, ElementsAre("s.a")) << "until its end is certain";
  watch().on_gone("s.a");
  EXPECT_THAT(see({"s.b"}).missing, IsEmpty());
  EXPECT_THAT(watch().topics(), ElementsAre("s.b"));
}

TEST_F(TopicWatchTest, ignores_lists_that_come_too_early_when_it_counts_missing_topics) {
  (void)see({"s.a"});
  for (int list = 0; list < 4; ++list) {
    EXPECT_THAT(see_early({}).missing, IsEmpty()) << "one server may have answered all of them";
  }
  EXPECT_THAT(see({}).missing, IsEmpty());
  EXPECT_THAT(see_early({"s.a"}).missing, IsEmpty());
  EXPECT_THAT(see({}).missing, IsEmpty()) << "it was there meanwhile";
  EXPECT_THAT(see_early({}).missing, IsEmpty());
  EXPECT_THAT(see({}).missing, ElementsAre("s.a"));
}

TEST_F(TopicWatchTest, counts_a_missing_topic_once_an_interval_while_lists_come_early) {
  (void)see({"s.a"});
  int lists = 0;
  while (see_early({}).missing.empty()) ASSERT_LT(++lists, 20);
  EXPECT_EQ(lists, 9) << "five lists come in an interval, so the tenth one tells";
}

TEST_F(TopicWatchTest, keeps_an_existing_topic_that_a_list_lacks) {
  (void)see({"s.a"});
  (void)see({});
  EXPECT_THAT(see({}).missing, ElementsAre("s.a"));
  watch().on_still_there("s.a");
  EXPECT_THAT(see({}).missing, IsEmpty());
  EXPECT_TRUE(watch().reads("s.a"));
}

TEST_F(TopicWatchTest, adds_a_topic_again_that_was_missing) {
  (void)see({"s.a"});
  watch().on_gone("s.a");
  EXPECT_THAT(see({"s.a"}).added, ElementsAre("s.a"));
  EXPECT_TRUE(watch().is_late("s.a"));
}

TEST_F(TopicWatchTest, follows_partitions_that_are_added_and_ignores_older_metadata) {
  (void)take(std::vector{topic("s.a", 2)});
  (void)take(std::vector{topic("s.a", 4)});
  EXPECT_THAT(watch().partitions(), SizeIs(4));
  (void)take(std::vector{topic("s.a", 2)});
  EXPECT_THAT(watch().partitions(), SizeIs(4));
}

TEST_F(TopicWatchTest, reads_the_new_partitions_of_a_topic_that_was_created_again) {
  (void)take(std::vector{topic("s.a", 4, 1)});
  EXPECT_FALSE(watch().is_late("s.a"));
  const auto change = take(std::vector{topic("s.a", 2, 2)});
  EXPECT_THAT(change.added, IsEmpty());
  EXPECT_THAT(watch().partitions(), ElementsAre(TopicPartition{"s.a", PartitionId{0}},
                                                TopicPartition{"s.a", PartitionId{1}}));
  EXPECT_TRUE(watch().is_late("s.a")) << "all of its records are new";
  (void)take(std::vector{topic("s.a", 4, 1)});
  EXPECT_THAT(watch().partitions(), SizeIs(2)) << "a server with older metadata changes nothing";
}

TEST_F(TopicWatchTest, takes_no_replaced_topic_from_a_server_that_is_two_creations_behind) {
  (void)take(std::vector{topic("s.a", 4, 1)});
  (void)take(std::vector{topic("s.a", 3, 2)});
  (void)take(std::vector{topic("s.a", 2, 3)});
  (void)take(std::vector{topic("s.a", 4, 1)});
  EXPECT_THAT(watch().partitions(), SizeIs(2));
  (void)take(std::vector{topic("s.a", 3, 2)});
  EXPECT_THAT(watch().partitions(), SizeIs(2));
  (void)take(std::vector{topic("s.a", 5, 3)});
  EXPECT_THAT(watch().partitions(), SizeIs(5)) << "it is still the newest one";
}

TEST_F(TopicWatchTest, takes_no_replaced_topic_after_the_topic_was_gone) {
  (void)take(std::vector{topic("s.a", 4, 1)});
  (void)take(std::vector{topic("s.a", 3, 2)});
  watch().on_gone("s.a");
  EXPECT_THAT(take(std::vector{topic("s.a", 4, 1)}).added, IsEmpty());
  EXPECT_THAT(take(std::vector{topic("s.a", 2, 3)}).added, ElementsAre("s.a"));
  (void)take(std::vector{topic("s.a", 3, 2)});
  (void)take(std::vector{topic("s.a", 4, 1)});
  EXPECT_THAT(watch().partitions(), SizeIs(2));
}

TEST_F(TopicWatchTest, takes_no_replaced_topic_after_a_topic_that_was_being_prepared_was_gone) {
  prepares = true;
  (void)take(std::vector{topic("s.a", 4, 1)});
  (void)take(std::vector{topic("s.a", 3, 2)});
  (void)see({});
  (void)see({});
  EXPECT_TRUE(watch().is_idle());
  EXPECT_THAT(take(std::vector{topic("s.a", 4, 1)}).added, IsEmpty());
  EXPECT_THAT(take(std::vector{topic("s.a", 3, 2)}).added, ElementsAre("s.a"));
}

TEST_F(TopicWatchTest, tries_a_refused_topic_again_and_reports_it_once) {
  prepares = true;
  (void)see({"s.a", "s.b"});
  EXPECT_TRUE(watch().on_refused("s.a"));
  EXPECT_TRUE(watch().on_prepared("s.b"));
  EXPECT_THAT(watch().topics(), ElementsAre("s.b"));
  EXPECT_FALSE(watch().reads("s.a"));
  EXPECT_THAT(see({"s.a", "s.b"}).added, ElementsAre("s.a"));
  EXPECT_FALSE(watch().on_refused("s.a"));
  EXPECT_THAT(see({"s.a", "s.b"}).added, ElementsAre("s.a"));
  EXPECT_TRUE(watch().on_prepared("s.a"));
  EXPECT_TRUE(watch().reads("s.a"));
  EXPECT_FALSE(watch().is_late("s.a")) << "it was there at the start";
}

TEST_F(TopicWatchTest, forgets_a_refused_topic_that_is_gone) {
  prepares = true;
  (void)see({"s.a"});
  (void)watch().on_refused("s.a");
  EXPECT_THAT(see({}).missing, IsEmpty());
  EXPECT_THAT(see({}).missing, IsEmpty());
  EXPECT_THAT(see({"s.a"}).added, ElementsAre("s.a"));
  EXPECT_TRUE(watch().is_late("s.a"));
}

TEST_F(TopicWatchTest, counts_a_refused_topic_without_partitions_as_missing) {
  prepares = true;
  (void)see({"s.a"});
  EXPECT_TRUE(watch().on_refused("s.a"));
  for (int list = 0; list < TopicWatch::misses_of_a_gone_topic; ++list) {
    const auto change = take(std::vector{topic("s.a", 0)});
    EXPECT_THAT(change.added, IsEmpty()) << "it could be refused after its end";
    EXPECT_THAT(change.missing, IsEmpty());
  }
  EXPECT_THAT(take(std::vector{topic("s.a", 1)}).added, ElementsAre("s.a"));
}

TEST_F(TopicWatchTest, treats_topics_in_a_list_without_ids_as_the_same_topics) {
  (void)take(std::vector{topic("s.a", 2, 0)});
  (void)take(std::vector{topic("s.a", 2, 1)});
  (void)take(std::vector{topic("s.a", 2, 0)});
  EXPECT_FALSE(watch().is_late("s.a"));
  (void)take(std::vector{topic("s.a", 1, 2)});
  EXPECT_TRUE(watch().is_late("s.a"));
}

TEST_F(TopicWatchTest, reads_a_topic_that_has_to_be_prepared_once_it_is) {
  prepares = true;
  EXPECT_THAT(see({"s.a", "s.b"}).added, ElementsAre("s.a", "s.b"));
  EXPECT_THAT(watch().topics(), IsEmpty());
  EXPECT_THAT(watch().partitions(), IsEmpty());
  EXPECT_FALSE(watch().reads("s.a"));
  EXPECT_FALSE(watch().is_idle());
  EXPECT_THAT(see({"s.a", "s.b"}).added, IsEmpty()) << "it is under way";
  EXPECT_TRUE(watch().on_prepared("s.a"));
  EXPECT_FALSE(watch().on_prepared("s.a")) << "it is read already";
  EXPECT_TRUE(watch().on_refused("s.b"));
  EXPECT_THAT(watch().topics(), ElementsAre("s.a"));
  EXPECT_THAT(see({"s.a", "s.b"}).added, ElementsAre("s.b"));
  EXPECT_FALSE(watch().reads("s.b"));
  EXPECT_TRUE(watch().on_prepared("s.b"));
  EXPECT_TRUE(watch().reads("s.b"));
}

TEST_F(TopicWatchTest, continues_reading_a_topic_that_is_refused_after_it_was_prepared) {
  prepares = true;
  (void)see({"s.a"});
  (void)see({});
  (void)see({});
  EXPECT_THAT(see({"s.a"}).added, ElementsAre("s.a")) << "while it is still being prepared";
  EXPECT_TRUE(watch().on_prepared("s.a"));
  EXPECT_FALSE(watch().on_refused("s.a")) << "the second outcome";
  EXPECT_TRUE(watch().reads("s.a"));
  EXPECT_THAT(see({"s.a"}).added, IsEmpty());
}

TEST_F(TopicWatchTest, forgets_a_topic_that_is_gone_before_it_is_prepared) {
  prepares = true;
  (void)see({"s.a"});
  EXPECT_THAT(see({}).missing, IsEmpty());
  EXPECT_THAT(see({}).missing, IsEmpty());
  EXPECT_TRUE(watch().is_idle());
  EXPECT_FALSE(watch().on_prepared("s.a"));
  EXPECT_FALSE(watch().on_refused("s.a"));
  EXPECT_THAT(see({"s.a"}).added, ElementsAre("s.a"));
}

TEST_F(TopicWatchTest, is_idle_while_all_topics_are_refused) {
  prepares = true;
  EXPECT_TRUE(watch().is_idle());
  (void)see({"s.a"});
  EXPECT_FALSE(watch().is_idle());
  (void)watch().on_refused("s.a");
  EXPECT_TRUE(watch().is_idle());
}

TEST_F(TopicWatchTest, never_reads_its_own_retry_topics) {
  pattern = kafka::pattern("s\\..*", {.include_internal = true});
  is_own = [](std::string_view name) { return name == "s.a.g.dlt"; };
  EXPECT_THAT(see({"s.a", "s.a.g.dlt", "s.a.h.dlt"}).added, ElementsAre("s.a", "s.a.h.dlt"));
}

TEST_F(TopicWatchTest, reports_once_that_no_topic_matches) {
  const auto first = see({"other"});
  ASSERT_THAT(first.troubles, SizeIs(1));
  EXPECT_TRUE(first.troubles[0].is(Errc::no_such_topic));
  EXPECT_THAT(std::string(first.troubles[0].message()), HasSubstr("\"s\\..*\""));
  EXPECT_THAT(see({"other"}).troubles, IsEmpty());
  EXPECT_THAT(see({"s.a"}).troubles, IsEmpty());
  watch().on_gone("s.a");
  EXPECT_THAT(see({"other"}).troubles, SizeIs(1)) << "it had topics in between";
}

TEST_F(TopicWatchTest, reads_at_most_max_topics_and_names_the_omitted_ones_once) {
  max_topics = 2;
  const auto first = see({"s.a", "s.b", "s.c", "s.d"});
  EXPECT_THAT(first.added, ElementsAre("s.a", "s.b"));
  ASSERT_THAT(first.troubles, SizeIs(1));
  EXPECT_TRUE(first.troubles[0].is(Errc::limit_reached));
  EXPECT_THAT(std::string(first.troubles[0].message()),
              HasSubstr("matches 4 topics; a subscription reads at most 2 (Topics::max_topics), so "
                        "s.c and 1 others are not read"));
  EXPECT_THAT(see({"s.a", "s.b", "s.c", "s.d"}).troubles, IsEmpty());
  watch().on_gone("s.a");
  EXPECT_THAT(see({"s.b", "s.c"}).added, ElementsAre("s.c")) << "there is room again";
  const auto again = see({"s.b", "s.c", "s.d"});
  ASSERT_THAT(again.troubles, SizeIs(1));
  EXPECT_THAT(std::string(again.troubles[0].message()), HasSubstr("so s.d is not read"));
}

}  // namespace
}  // namespace dohle::messaging
