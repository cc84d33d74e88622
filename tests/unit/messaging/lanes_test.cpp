#include "messaging/lanes.hpp"

#include <gtest/gtest.h>

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint start{1s};

TEST(Lanes, work_on_one_item_of_a_lane_at_a_time) {
  Lanes<int> lanes(4);
  lanes.push(1, 10);
  lanes.push(1, 11);
  lanes.push(2, 20);
  EXPECT_EQ(lanes.take(), 10);
  EXPECT_EQ(lanes.take(), 20);
  EXPECT_EQ(lanes.take(), std::nullopt);
  lanes.finish(1);
  EXPECT_EQ(lanes.take(), 11);
  EXPECT_EQ(lanes.queued(), 0u);
}

TEST(Lanes, hold_a_lane_back_until_its_retry_is_done) {
  Lanes<int> lanes(4);
  lanes.push(1, 10);
  lanes.push(1, 11);
  lanes.push(2, 20);
  ASSERT_EQ(lanes.take(), 10);
  lanes.push_retry(1, 10, start + 5ms);
  lanes.finish(1);
  EXPECT_EQ(lanes.take(), 20);
  EXPECT_EQ(lanes.next_time(), start + 5ms);
  lanes.on_time(start + 4ms);
  EXPECT_EQ(lanes.take(), std::nullopt);
  lanes.on_time(start + 5ms);
  EXPECT_EQ(lanes.take(), 10);
  lanes.finish(1);
  EXPECT_EQ(lanes.take(), 11);
  EXPECT_EQ(lanes.next_time(), never);
}

TEST(Lanes, put_a_retry_in_front_while_another_item_of_the_lane_is_worked_on) {
  Lanes<int> lanes(2);
  lanes.push(0, 2);
  lanes.push(0, 3);
  ASSERT_EQ(lanes.take(), 2);
  lanes.push_retry(0, 1, start);
  lanes.on_time(start);
  EXPECT_EQ(lanes.take(), std::nullopt);
  lanes.finish(0);
  EXPECT_EQ(lanes.take(), 1);
}

TEST(Lanes, drop_waiting_items) {
  Lanes<int> lanes(2);
  lanes.push(0, 1);
  lanes.push(0, 2);
  lanes.push(1, 3);
  lanes.drop_if([](int item) { return item != 2; });
  EXPECT_EQ(lanes.queued(), 1u);
  EXPECT_EQ(lanes.take(), 2);
  EXPECT_EQ(lanes.take(), std::nullopt);
}

TEST(Lanes, go_on_when_the_retry_that_held_them_is_dropped) {
  Lanes<int> lanes(2);
  lanes.push(0, 1);
  ASSERT_EQ(lanes.take(), 1);
  lanes.push_retry(0, 1, start + 1h);
  lanes.finish(0);
  lanes.push(0, 2);
  lanes.drop_if([](int item) { return item == 1; });
  EXPECT_EQ(lanes.take(), 2);
}

}  // namespace
}  // namespace dohle::messaging
