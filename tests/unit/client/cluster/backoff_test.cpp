#include "client/cluster/backoff.hpp"

#include <gtest/gtest.h>

namespace dohle::client {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, DoublesUpToTheMaximumWithinTwentyPercent) {
  SeededRandom random(7);
  Backoff backoff(100ms, 1s);
  for (const Duration expected : {Duration(100ms), Duration(200ms), Duration(400ms),
                                  Duration(800ms), Duration(1s), Duration(1s)}) {
    const Duration wait = backoff.next(random);
    EXPECT_GE(wait, expected * 8 / 10);
    EXPECT_LE(wait, expected * 12 / 10);
  }
}

TEST(Backoff, StartsFromItsMinimumAfterASuccess) {
  SeededRandom random(7);
  Backoff backoff(100ms, 1s);
  for (int i = 0; i < 10; ++i) backoff.next(random);
  backoff.reset();
  EXPECT_LE(backoff.next(random), Duration(120ms));
}

TEST(Backoff, DiffersFromOneClientToTheNext) {
  SeededRandom one(1);
  SeededRandom other(2);
  EXPECT_NE(Backoff(1s, 1s).next(one), Backoff(1s, 1s).next(other));
}

}  // namespace
}  // namespace dohle::client
