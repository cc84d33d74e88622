#include "node/serve/handlers/topic_walk.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace dohle::node {
namespace {

struct AskedTopic {
  std::string name;
  std::vector<int> partition_indexes;
};
using Asked = std::vector<AskedTopic>;

/// The visited places, as "a( 1 2 b( ". A slice that comes to a topic again writes "a+( ".
struct Slices {
  bool go_on(std::size_t most) {
    const auto enter = [this](const AskedTopic& topic, bool is_new) {
      text += topic.name + (is_new ? "( " : "+( ");
      return topic.name;
    };
    const auto visit = [this](const std::string& name, const AskedTopic& topic,
                              std::size_t partition) {
      EXPECT_EQ(name, topic.name);
      EXPECT_EQ(walk.partition(), partition);
      EXPECT_EQ(asked[walk.topic()].name, name);
      if (topic.partition_indexes[partition] == stops_at) return false;
      text += std::to_string(topic.partition_indexes[partition]) + " ";
      return true;
    };
    return walk.go_on(asked, most, enter, visit);
  }

  const Asked asked{{"a", {1, 2, 3}}, {"b", {}}, {"c", {4}}};
  TopicWalk walk;
  int stops_at = 0;
  std::string text;
};

TEST(TopicWalk, VisitsAllInOneSliceThatIsLargeEnough) {
  Slices slices;
  EXPECT_FALSE(slices.go_on(7));
  EXPECT_EQ(slices.text, "a( 1 2 3 b( c( 4 ");
}

TEST(TopicWalk, CountsTopicsAndPartitionsOfASlice) {
  for (std::size_t most = 1; most < 7; ++most) {
    Slices slices;
    std::size_t calls = 1;
    while (slices.go_on(most)) ++calls;
    EXPECT_EQ(calls, (7 + most - 1) / most) << most;
    std::string visited;
    for (const char c : slices.text) {
      if (c >= '1' && c <= '9') visited += c;
    }
    EXPECT_EQ(visited, "1234") << most;
  }
}

TEST(TopicWalk, ContinuesATopicInTheNextSlice) {
  Slices slices;
  EXPECT_TRUE(slices.go_on(2));
  EXPECT_TRUE(slices.go_on(2));
  EXPECT_EQ(slices.text, "a( 1 a+( 2 3 ");
}

TEST(TopicWalk, StaysAtAPartitionThatIsNotDone) {
  Slices slices;
  slices.stops_at = 2;
  EXPECT_TRUE(slices.go_on(7));
  EXPECT_TRUE(slices.go_on(7));
  EXPECT_EQ(slices.text, "a( 1 a+( ");
  slices.stops_at = 0;
  EXPECT_FALSE(slices.go_on(7));
  EXPECT_EQ(slices.text, "a( 1 a+( a+( 2 3 b( c( 4 ");
}

}  // namespace
}  // namespace dohle::node
