#include "client/produce/partitioner.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace dohle::client {
namespace {

// The expected values of Apache Kafka's UtilsTest.testMurmur2.
TEST(Partitioner, HashesAsJavaDoes) {
  const auto hash = [](std::string_view text) {
    return static_cast<std::int32_t>(murmur2(as_bytes(text)));
  };
  EXPECT_EQ(hash("21"), -973932308);
  EXPECT_EQ(hash("foobar"), -790332482);
  EXPECT_EQ(hash("a-little-bit-long-string"), -985981536);
  EXPECT_EQ(hash("a-little-bit-longer-string"), -1486304829);
  EXPECT_EQ(hash("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"), -58897971);
  EXPECT_EQ(hash("abc"), 479470107);
}

TEST(Partitioner, StaysWithinThePartitions) {
  EXPECT_EQ(partition_for_key(as_bytes("21"), 1), PartitionId{0});
  EXPECT_EQ(partition_for_key(as_bytes("abc"), 10), PartitionId{479470107 % 10});
  EXPECT_EQ(partition_for_key(as_bytes("21"), 10),
            PartitionId{(-973932308 & std::numeric_limits<std::int32_t>::max()) % 10});
}

}  // namespace
}  // namespace dohle::client
