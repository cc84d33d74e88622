#include "node/storage/partition_walk.hpp"

#include "node_world.hpp"

namespace dohle::node {
namespace {

class PartitionWalkTest : public NodeWorld {
 protected:
  /// The names of the partitions of one piece.
  std::vector<std::string> piece(std::size_t max) {
    std::vector<std::string> names;
    is_over_ = !walk_.step(
        topics(), max, [&](const PartitionRef& partition) { names.push_back(partition->name()); });
    return names;
  }

  PartitionWalk walk_;
  bool is_over_ = false;
};

TEST_F(PartitionWalkTest, VisitsEachPartitionOnceInPiecesOfBoundedSize) {
  create("a", 25);
  create("b", 1);
  create("c", 30);
  for (int round = 0; round < 2; ++round) {
    std::vector<std::string> all;
    std::size_t pieces = 0;
    for (is_over_ = false; !is_over_; ++pieces) {
      const auto names = piece(10);
      EXPECT_LE(names.size(), 10u);
      all.insert(all.end(), names.begin(), names.end());
    }
    EXPECT_EQ(pieces, 6u);
    EXPECT_EQ(all.size(), 56u);
    std::ranges::sort(all);
    EXPECT_EQ(std::ranges::unique(all).size(), 0u);
  }
}

TEST_F(PartitionWalkTest, ContinuesBehindATopicThatWasDeletedMeanwhile) {
  create("a", 5);
  create("b", 5);
  create("c", 2);
  EXPECT_EQ(piece(7).back(), "b-1");
  std::optional<Result<void>> deleted;
  topics().remove(topics().find("b")->id,
                  [&](Result<void> outcome) { deleted = std::move(outcome); });
  ASSERT_TRUE(world.run_until([&] { return deleted.has_value(); }, 1s));
  ASSERT_TRUE(deleted->has_value());
  EXPECT_THAT(piece(7), testing::ElementsAre("c-0", "c-1"));
  EXPECT_TRUE(is_over_);
}

TEST_F(PartitionWalkTest, OfTheNodeReachesEveryPartitionWithinARound) {
  create("t", 2 * limits::max_maintained_at_once + 1);
  const std::int32_t last = 2 * limits::max_maintained_at_once;
  ASSERT_EQ(produce("t", batch_of({"a"}), -1, last).error_code, 0);
  world.run_for(3s);
  const Topic* topic = topics().find("t");
  EXPECT_EQ((*topic->partition(PartitionId{last}))->log()->recovery_point(), Offset{1});
}

}  // namespace
}  // namespace dohle::node
