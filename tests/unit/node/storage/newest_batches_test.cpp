#include "node/storage/newest_batches.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace dohle::node {
namespace {

PartitionRef make_partition(int index) {
  return std::make_shared<Partition>("orders", PartitionId{index},
                                     Error::client(Errc::io_error, "it has no log"));
}

log::StoredBatch batch_at(std::int64_t offset) {
  return {Offset{offset}, Offset{offset + 1}, Slice::copy_of(std::to_string(offset))};
}

TEST(NewestBatches, are_wanted_of_partitions_for_which_fetches_wait) {
  const PartitionRef partition = make_partition(0);
  EXPECT_FALSE(NewestBatches::is_wanted(*partition, 1));
  partition->waits.push_back({.wait = 0, .index = 0});
  EXPECT_TRUE(NewestBatches::is_wanted(*partition, NewestBatches::max_bytes));
  EXPECT_FALSE(NewestBatches::is_wanted(*partition, NewestBatches::max_bytes + 1));
}

TEST(NewestBatches, are_kept_for_the_partitions_that_got_the_last_ones) {
  NewestBatches newest;
  std::vector<PartitionRef> partitions;
  constexpr int more = 3;
  for (int i = 0; i < static_cast<int>(NewestBatches::max_batches) + more; ++i) {
    partitions.push_back(make_partition(i));
    EXPECT_EQ(newest.find(*partitions.back()), nullptr) << "none was kept";
    newest.keep(*partitions.back(), batch_at(i));
  }
  for (int i = 0; i < static_cast<int>(partitions.size()); ++i) {
    const log::StoredBatch* const found = newest.find(*partitions[static_cast<std::size_t>(i)]);
    if (i < more) {
      EXPECT_EQ(found, nullptr) << i;
    } else {
      ASSERT_NE(found, nullptr) << i;
      EXPECT_EQ(found->from, Offset{i});
    }
  }
}

TEST(NewestBatches, of_one_partition_replace_one_another) {
  NewestBatches newest;
  const PartitionRef busy = make_partition(0), other = make_partition(1);
  newest.keep(*other, batch_at(7));
  for (int i = 0; i < 100; ++i) newest.keep(*busy, batch_at(i));
  EXPECT_EQ(newest.find(*busy)->from, Offset{99});
  ASSERT_NE(newest.find(*other), nullptr) << "a busy partition displaces no other";
  EXPECT_EQ(newest.find(*other)->from, Offset{7});
}

}  // namespace
}  // namespace dohle::node
