#include "messaging/idle_watch.hpp"

#include <gtest/gtest.h>

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint start{1h};

TEST(IdleWatch, IsDueOncePerPhaseWithoutMessages) {
  IdleWatch watch(10ms);
  EXPECT_EQ(watch.next_time(), never);
  EXPECT_FALSE(watch.take_due(start + 1h)) << "no partition is assigned";
  watch.on_partitions(true, start);
  EXPECT_EQ(watch.next_time(), start + 10ms);
  EXPECT_FALSE(watch.take_due(start + 9ms));
  EXPECT_TRUE(watch.take_due(start + 10ms));
  EXPECT_EQ(watch.next_time(), never);
  EXPECT_FALSE(watch.take_due(start + 1h));
  watch.on_message(start + 20ms);
  EXPECT_FALSE(watch.take_due(start + 29ms));
  EXPECT_TRUE(watch.take_due(start + 30ms));
}

TEST(IdleWatch, CountsFromTheLastMessage) {
  IdleWatch watch(10ms);
  watch.on_partitions(true, start);
  watch.on_message(start + 8ms);
  EXPECT_EQ(watch.next_time(), start + 18ms);
}

TEST(IdleWatch, BeginsAgainWithTheFirstPartitionsOnly) {
  IdleWatch watch(10ms);
  watch.on_partitions(true, start);
  EXPECT_TRUE(watch.take_due(start + 10ms));
  watch.on_partitions(true, start + 20ms);
  EXPECT_EQ(watch.next_time(), never) << "more partitions are no message";
  watch.on_partitions(false, start + 30ms);
  watch.on_message(start + 30ms);
  EXPECT_EQ(watch.next_time(), never);
  watch.on_partitions(true, start + 40ms);
  EXPECT_TRUE(watch.take_due(start + 50ms));
}

TEST(IdleWatch, IsNeverDueWithoutATime) {
  IdleWatch watch(std::nullopt);
  watch.on_partitions(true, start);
  EXPECT_EQ(watch.next_time(), never);
  EXPECT_FALSE(watch.take_due(start + 1h));
}

}  // namespace
}  // namespace dohle::messaging
