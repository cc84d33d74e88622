#include "base/brief_wait.hpp"

#include <gtest/gtest.h>

namespace dohle {
namespace {

using namespace std::chrono_literals;

int passed_over_by(BriefWait& wait) {
  int times = 0;
  while (!wait.is_worth_it()) ++times;
  return times;
}

void disappoint(BriefWait& wait, int times) {
  for (int i = 0; i < times; ++i) wait.took(201us);
}

TEST(BriefWait, is_used_while_waits_are_brief) {
  BriefWait wait(200us);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(wait.is_worth_it());
    wait.took(200us);
  }
}

TEST(BriefWait, is_used_despite_occasional_long_waits) {
  BriefWait wait(200us);
  for (int i = 0; i < 10; ++i) {
    disappoint(wait, 2);
    ASSERT_TRUE(wait.is_worth_it());
    wait.took(5us);
  }
}

TEST(BriefWait, is_skipped_more_often_after_each_long_wait) {
  BriefWait wait(200us);
  disappoint(wait, 2);
  for (const int expected : {64, 128, 256, 512, 1024, 2048, 4096, 4096}) {
    disappoint(wait, 1);
    EXPECT_EQ(passed_over_by(wait), expected);
  }
}

TEST(BriefWait, forgets_long_waits_once_it_is_brief_again) {
  BriefWait wait(200us);
  for (int i = 0; i < 3; ++i) {
    disappoint(wait, 3);
    passed_over_by(wait);
  }
  wait.took(5us);
  disappoint(wait, 2);
  EXPECT_TRUE(wait.is_worth_it());
  disappoint(wait, 1);
  EXPECT_EQ(passed_over_by(wait), 64);
}

}  // namespace
}  // namespace dohle
