#include "client/give_way.hpp"

#include <gtest/gtest.h>

namespace dohle::client {
namespace {

using namespace std::chrono_literals;

int passed_over_by(GiveWay& give_way) {
  int times = 0;
  while (!give_way.is_worth_it()) ++times;
  return times;
}

TEST(GiveWay, GoesOnWhileItIsShort) {
  GiveWay give_way;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(give_way.is_worth_it());
    give_way.took(200us);
  }
}

TEST(GiveWay, PausesLongerWithEachTimeThatSomebodyElseTookTheCore) {
  GiveWay give_way;
  for (const int expected : {64, 128, 256, 512, 1024, 2048, 4096, 4096}) {
    give_way.took(1ms);
    EXPECT_EQ(passed_over_by(give_way), expected);
  }
}

TEST(GiveWay, ForgetsWhatItLearnedOnceItIsShortAgain) {
  GiveWay give_way;
  for (int i = 0; i < 3; ++i) {
    give_way.took(1ms);
    passed_over_by(give_way);
  }
  give_way.took(5us);
  EXPECT_TRUE(give_way.is_worth_it());
  give_way.took(1ms);
  EXPECT_EQ(passed_over_by(give_way), 64);
}

}  // namespace
}  // namespace dohle::client
