#include "messaging/subscribe/handler_pace.hpp"

#include <gtest/gtest.h>

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;

TEST(HandlerPace, is_quick_before_the_first_message) {
  EXPECT_TRUE(HandlerPace(1).is_quick());
}

TEST(HandlerPace, is_slow_after_one_long_handler_and_quick_again_after_many_short_ones) {
  HandlerPace pace(1);
  pace.on_handled(1h);
  EXPECT_FALSE(pace.is_quick());
  int quick = 0;
  while (!pace.is_quick() && quick < 1'000) {
    pace.on_handled(1us);
    ++quick;
  }
  EXPECT_GT(quick, 8);
  EXPECT_LT(quick, 100);
}

TEST(HandlerPace, expects_quicker_handlers_if_others_could_run_beside_them) {
  HandlerPace alone(1), beside_others(4);
  for (int i = 0; i < 100; ++i) {
    alone.on_handled(15us);
    beside_others.on_handled(15us);
  }
  EXPECT_TRUE(alone.is_quick());
  EXPECT_FALSE(beside_others.is_quick());
}

TEST(HandlerPace, does_not_count_a_time_that_went_backwards) {
  HandlerPace pace(1);
  pace.on_handled(-1h);
  EXPECT_TRUE(pace.is_quick());
  for (int i = 0; i < 100; ++i) pace.on_handled(1ms);
  EXPECT_FALSE(pace.is_quick());
}

}  // namespace
}  // namespace dohle::messaging
