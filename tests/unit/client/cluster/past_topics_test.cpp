#include "client/cluster/past_topics.hpp"

#include <gtest/gtest.h>

namespace dohle::client {
namespace {

TopicId id(std::size_t number) {
  TopicId made;
  made.bytes[14] = static_cast<std::uint8_t>(number >> 8);
  made.bytes[15] = static_cast<std::uint8_t>(number);
  return made;
}

TEST(ReplacedIds, KeepsTheLatestOnes) {
  ReplacedIds ids;
  ids.add(TopicId{});
  EXPECT_TRUE(ids.is_empty());
  EXPECT_FALSE(ids.has(TopicId{}));
  for (std::size_t i = 1; i <= ReplacedIds::max_ids; ++i) ids.add(id(i));
  for (std::size_t i = 1; i <= ReplacedIds::max_ids; ++i) EXPECT_TRUE(ids.has(id(i))) << i;
  ids.add(id(ReplacedIds::max_ids + 1));
  EXPECT_FALSE(ids.has(id(1)));
  EXPECT_TRUE(ids.has(id(2)));
  EXPECT_TRUE(ids.has(id(ReplacedIds::max_ids + 1)));
}

TEST(PastTopics, RecallsTheIdsOfATopicOnce) {
  PastTopics topics;
  PastTopics::Ids ids{id(2), {}};
  ids.replaced.add(id(1));
  topics.keep("orders", ids);
  EXPECT_TRUE(topics.was_replaced("orders", id(1)));
  EXPECT_FALSE(topics.was_replaced("orders", id(2))) << "it may still be the topic's";
  EXPECT_FALSE(topics.was_replaced("others", id(1)));
  const auto recalled = topics.recall("orders");
  EXPECT_EQ(recalled.id, id(2));
  EXPECT_TRUE(recalled.replaced.has(id(1)));
  EXPECT_TRUE(topics.recall("orders").id.is_none());
  EXPECT_FALSE(topics.was_replaced("orders", id(1)));
}

TEST(PastTopics, ForgetsTheTopicThatWasLeftFirstAboveTheirBound) {
  PastTopics topics;
  const auto name = [](std::size_t i) { return "topic-" + std::to_string(i); };
  for (std::size_t i = 0; i < PastTopics::max_topics; ++i) topics.keep(name(i), {id(i + 1), {}});
  // The first one is used and left again, so that the second one was left first.
  topics.keep(name(0), topics.recall(name(0)));
  topics.keep("one more", {id(5'000), {}});
  EXPECT_TRUE(topics.recall(name(1)).id.is_none());
  EXPECT_EQ(topics.recall(name(0)).id, id(1));
  EXPECT_EQ(topics.recall(name(2)).id, id(3));
  EXPECT_EQ(topics.recall("one more").id, id(5'000));
}

}  // namespace
}  // namespace dohle::client
