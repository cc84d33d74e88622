#include "client/cluster/call_time.hpp"

#include <gtest/gtest.h>

namespace dohle::client {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint start{1h};

TEST(CallTime, is_left_until_its_deadline) {
  const CallTime time(start + 2s, 2s);
  EXPECT_EQ(time.left(start), 2s);
  EXPECT_EQ(time.left(start + 2s), 0s);
  EXPECT_EQ(time.left(start + 3s), 0s);
}

TEST(CallTime, has_nothing_left_once_the_waiting_thread_has_ended_it) {
  CallTime time(never, 2s);
  int ended = 0;
  time.on_end([&] { ++ended; });
  EXPECT_EQ(time.left(start), 24h);
  time.end();
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(time.left(start), 0s);
}

}  // namespace
}  // namespace dohle::client
