#include "messaging/subscribe/idle_phase.hpp"

#include <gtest/gtest.h>

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint start{1h};

TEST(IdlePhase, IsDueOncePerPhaseWithoutMessages) {
  IdlePhase phase(10ms);
  EXPECT_EQ(phase.next_time(), never);
  EXPECT_FALSE(phase.take_due(start + 1h)) << "no partition is assigned";
  phase.on_partitions(true, start);
  EXPECT_EQ(phase.next_time(), start + 10ms);
  EXPECT_FALSE(phase.take_due(start + 9ms));
  EXPECT_TRUE(phase.take_due(start + 10ms));
  EXPECT_EQ(phase.next_time(), never);
  EXPECT_FALSE(phase.take_due(start + 1h));
  phase.on_message(start + 20ms);
  EXPECT_FALSE(phase.take_due(start + 29ms));
  EXPECT_TRUE(phase.take_due(start + 30ms));
}

TEST(IdlePhase, CountsFromTheLastMessage) {
  IdlePhase phase(10ms);
  phase.on_partitions(true, start);
  phase.on_message(start + 8ms);
  EXPECT_EQ(phase.next_time(), start + 18ms);
}

TEST(IdlePhase, BeginsAgainWithTheFirstPartitionsOnly) {
  IdlePhase phase(10ms);
  phase.on_partitions(true, start);
  EXPECT_TRUE(phase.take_due(start + 10ms));
  phase.on_partitions(true, start + 20ms);
  EXPECT_EQ(phase.next_time(), never) << "more partitions are no message";
  phase.on_partitions(false, start + 30ms);
  phase.on_message(start + 30ms);
  EXPECT_EQ(phase.next_time(), never);
  phase.on_partitions(true, start + 40ms);
  EXPECT_TRUE(phase.take_due(start + 50ms));
}

TEST(IdlePhase, IsNeverDueWithoutIdleAfter) {
  IdlePhase phase(std::nullopt);
  phase.on_partitions(true, start);
  EXPECT_EQ(phase.next_time(), never);
  EXPECT_FALSE(phase.take_due(start + 1h));
}

}  // namespace
}  // namespace dohle::messaging
