#include "base/repeats.hpp"

#include <gtest/gtest.h>

namespace dohle {
namespace {

using namespace std::chrono_literals;

TEST(Repeats, AreCountedInTheNextLineOrAtTheEnd) {
  Repeats lines(1min);
  TimePoint now{1h};
  EXPECT_EQ(lines.admit(now), 0U);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(lines.admit(now += 10s));
  EXPECT_EQ(lines.admit(now += 30s), 3U);
  EXPECT_FALSE(lines.admit(now));
  EXPECT_EQ(lines.take_held_back(), 1U);
  EXPECT_EQ(lines.take_held_back(), 0U);
  EXPECT_EQ(more_since(0), "");
  EXPECT_EQ(more_since(3), " (3 more since the last line)");
}

}  // namespace
}  // namespace dohle
