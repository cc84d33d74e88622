#include "client/group/assignor.hpp"

#include <gtest/gtest.h>

namespace dohle::client {
namespace {

TopicPartition at(std::string topic, std::int32_t partition) {
  return {std::move(topic), PartitionId{partition}};
}

TEST(RangeAssignor, GivesTheFirstMembersOneMoreOfEachTopic) {
  const auto assigned = assign_range(
      {{"b", std::nullopt, {"t", "u"}}, {"a", std::nullopt, {"t", "u"}}}, {{"t", 3}, {"u", 3}});
  ASSERT_EQ(assigned.size(), 2u);
  EXPECT_EQ(assigned[0].member_id, "a");
  EXPECT_EQ(assigned[0].partitions, (std::vector{at("t", 0), at("t", 1), at("u", 0), at("u", 1)}));
  EXPECT_EQ(assigned[1].partitions, (std::vector{at("t", 2), at("u", 2)}));
}

TEST(RangeAssignor, PutsStaticMembersFirstByTheirInstanceIds) {
  const auto assigned =
      assign_range({{"a", std::nullopt, {"t"}}, {"z", "2", {"t"}}, {"y", "3", {"t"}}}, {{"t", 4}});
  EXPECT_EQ(assigned[0].member_id, "z");
  EXPECT_EQ(assigned[0].partitions, (std::vector{at("t", 0), at("t", 1)}));
  EXPECT_EQ(assigned[1].member_id, "y");
  EXPECT_EQ(assigned[2].partitions, (std::vector{at("t", 3)}));
}

TEST(RangeAssignor, AssignsOnlySubscribedTopicsThatExist) {
  const auto assigned = assign_range({{"a", std::nullopt, {"t"}},
                                      {"b", std::nullopt, {"u", "absent"}},
                                      {"c", std::nullopt, {"t"}}},
                                     {{"t", 1}, {"u", 1}});
  EXPECT_EQ(assigned[0].partitions, (std::vector{at("t", 0)}));
  EXPECT_EQ(assigned[1].partitions, (std::vector{at("u", 0)}));
  EXPECT_TRUE(assigned[2].partitions.empty());
}

TEST(ConsumerProtocol, DecodesItsOwnEncoding) {
  const std::vector partitions{at("t", 0), at("t", 2), at("u", 1)};
  EXPECT_EQ(decode_assignment(encode_assignment(partitions).value()).value(), partitions);
  EXPECT_TRUE(decode_assignment(Slice()).value().empty());
  const std::vector<std::string> topics{"t", "u"};
  EXPECT_EQ(
      subscribed_topics(encode_subscription(topics, partitions, Generation{3}).value()).value(),
      topics);
  EXPECT_FALSE(subscribed_topics(Slice()));
}

}  // namespace
}  // namespace dohle::client
