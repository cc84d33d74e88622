// The judges of subscriptions with a pattern, with handlings that were made up.
#include "simulation/matched.hpp"

#include <gtest/gtest.h>

#include <string>

#include "simulation/turns.hpp"

namespace dohle::simulation {
namespace {

using Promise = Matched::Promise;

const TopicPartition first{"sensor.a", PartitionId{0}};

class MatchedTopics : public testing::Test {
 protected:
  std::size_t acknowledged(std::size_t topic, std::int64_t offset) {
    const std::size_t record = matched_.sent(topic, PartitionId{0});
    matched_.acknowledged(record, Offset{offset});
    return record;
  }
  void handle(std::size_t record, const std::string& topic) {
    matched_.begins(record, topic);
    matched_.handled(record);
  }

  Complaints complaints_;
  Matched matched_{complaints_};
};

TEST_F(MatchedTopics, ReportAcknowledgedRecordsThatAreNotHandled) {
  const std::size_t a = matched_.created("sensor.a", Promise::handled);
  handle(acknowledged(a, 0), "sensor.a");
  (void)matched_.sent(a, PartitionId{0});
  matched_.settle();
  EXPECT_EQ(complaints_.text(), "");
  (void)acknowledged(a, 1);
  matched_.settle();
  EXPECT_EQ(
      complaints_.text(),
      "  sensors: record 2 of sensor.a (topic 0), partition 0, offset 1, was acknowledged and "
      "is not handled\n");
}

TEST_F(MatchedTopics, ReportNoUnhandledRecordOfADeletedTopicButEachOfItsSuccessor) {
  const std::size_t deleted = matched_.created("sensor.a", Promise::handled);
  (void)acknowledged(deleted, 0);
  matched_.released(deleted);
  const std::size_t next = matched_.created("sensor.a", Promise::handled);
  matched_.settle();
  EXPECT_EQ(complaints_.count(), 0u);
  (void)acknowledged(next, 0);
  matched_.settle();
  EXPECT_TRUE(complaints_.name("record 1 of sensor.a (topic 1)"));
  EXPECT_EQ(complaints_.count(), 1u);
}

TEST_F(MatchedTopics, ExcludeRetryTopicsOfOtherGroups) {
  const std::size_t other = matched_.created("sensor.a.others.dlt", Promise::unmatched);
  handle(acknowledged(other, 0), "sensor.a.others.dlt");
  EXPECT_TRUE(complaints_.name("is handled, and must not match"));
}

TEST_F(MatchedTopics, MayRedeliverARecordFromTheirOwnRetryTopic) {
  const std::size_t a = matched_.created("sensor.a", Promise::handled);
  const std::size_t record = acknowledged(a, 0);
  handle(record, "sensor.a" + std::string(Matched::retry_end));
  handle(record, "sensor.a");
  EXPECT_EQ(complaints_.count(), 0u);
  EXPECT_EQ(matched_.again(), 1u);
  handle(record, "sensor.b");
  EXPECT_TRUE(complaints_.name("is handled as one of sensor.b"));
  matched_.begins(record + 1, "sensor.a");
  EXPECT_TRUE(complaints_.name("was never published"));
}

TEST_F(MatchedTopics, RememberTheLargestCommitOfTheExistingTopic) {
  const std::size_t a = matched_.created("sensor.a", Promise::handled);
  matched_.committed(first, Offset{5});
  matched_.committed(first, Offset{3});
  EXPECT_EQ(matched_.committed(first), 5);
  matched_.released(a);
  EXPECT_EQ(matched_.committed(first), 0);
  matched_.committed(first, Offset{9});
  (void)matched_.created("sensor.a", Promise::handled);
  EXPECT_EQ(matched_.committed(first), 0);
  matched_.committed(first, Offset{2});
  EXPECT_EQ(matched_.committed(first), 2);
}

TEST_F(MatchedTopics, CountAsReadWhileAMemberHasAPartitionOfThem) {
  matched_.assigned("one", {first});
  matched_.assigned("two", {});
  EXPECT_TRUE(matched_.is_read("sensor.a"));
  EXPECT_FALSE(matched_.is_read("sensor"));
  matched_.assigned("one", {});
  EXPECT_FALSE(matched_.is_read("sensor.a"));
}

TEST(Turns, MustIncreaseForEachKey) {
  Turns turns;
  turns.assigned(first, 0);
  EXPECT_FALSE(turns.begins(first, "k", 4, 1));
  EXPECT_FALSE(turns.begins(first, "k", 4, 2));
  EXPECT_FALSE(turns.begins(first, "l", 3, 1));
  EXPECT_FALSE(turns.begins(first, "k", 5, 1));
  EXPECT_EQ(turns.begins(first, "k", 4, 3),
            "is handled after offset 5 of its key, without a new assignment");
}

TEST(Turns, RepeatAMessageOnlyAfterANewAssignment) {
  Turns turns;
  turns.assigned(first, 0);
  EXPECT_FALSE(turns.begins(first, "k", 4, 1));
  EXPECT_TRUE(turns.begins(first, "k", 4, 1));
  turns.assigned(first, 4);
  EXPECT_FALSE(turns.begins(first, "k", 4, 1));
}

TEST(Turns, MustBeginAtOrAboveTheCommittedOffset) {
  Turns turns;
  turns.assigned(first, 5);
  EXPECT_EQ(turns.begins(first, "k", 4, 1),
            "is handled, and 5 was committed before its partition was assigned");
  EXPECT_FALSE(turns.begins(first, "k", 5, 1));
}

TEST(Turns, NeedAnAssignment) {
  Turns turns;
  EXPECT_EQ(turns.begins(first, "k", 0, 1), "is handled, and its partition is not assigned");
}

}  // namespace
}  // namespace dohle::simulation
