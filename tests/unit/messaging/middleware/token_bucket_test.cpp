#include "messaging/middleware/token_bucket.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <deque>

#include "base/random.hpp"

namespace dohle::messaging {
namespace {

using std::chrono::milliseconds;

constexpr TimePoint start{std::chrono::hours(1)};

TEST(TokenBucket, lets_a_burst_pass_and_then_one_at_each_turn) {
  TokenBucket bucket(10, 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(bucket.take(start, start), start);
  EXPECT_EQ(bucket.take(start, start), std::nullopt);
  EXPECT_EQ(bucket.take(start, start + milliseconds(99)), std::nullopt);
  EXPECT_EQ(bucket.take(start, start + milliseconds(100)), start + milliseconds(100));
  EXPECT_EQ(bucket.take(start, start + milliseconds(500)), start + milliseconds(200));
}

TEST(TokenBucket, uses_no_turn_for_a_refused_message) {
  TokenBucket bucket(10, 1);
  EXPECT_EQ(bucket.take(start, start), start);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(bucket.take(start, start), std::nullopt);
  EXPECT_EQ(bucket.take(start + milliseconds(100), start + milliseconds(100)),
            start + milliseconds(100));
}

TEST(TokenBucket, saves_at_most_a_burst_during_a_pause) {
  TokenBucket bucket(1'000, 5);
  const TimePoint later = start + std::chrono::hours(1);
  EXPECT_EQ(bucket.take(start, start), start);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(bucket.take(later, later), later);
  EXPECT_EQ(bucket.take(later, later), std::nullopt);
}

/// No span of time admits more than its share and a burst, and no message waits longer than it has
/// to.
TEST(TokenBucket, agrees_with_a_model) {
  SeededRandom random(5);
  for (int round = 0; round < 20; ++round) {
    const auto burst = 1 + random.below(20);
    const auto apart = milliseconds(1 + static_cast<int>(random.below(50)));
    TokenBucket bucket(1'000.0 / static_cast<double>(apart.count()), burst);
    std::deque<TimePoint> passed;
    TimePoint now = start;
    for (int i = 0; i < 2'000; ++i) {
      now += milliseconds(random.below(30));
      const auto turn = bucket.take(now, now + milliseconds(random.below(100)));
      if (!turn) continue;
      EXPECT_GE(*turn, now);
      if (!passed.empty()) {
        EXPECT_GE(*turn, passed.back());
      }
      passed.push_back(*turn);
      if (passed.size() > burst) {
        EXPECT_GE(passed.back() - passed.front(), apart);
        passed.pop_front();
      }
    }
  }
}

}  // namespace
}  // namespace dohle::messaging
