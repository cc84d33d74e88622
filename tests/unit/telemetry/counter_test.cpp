#include "telemetry/counter.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

namespace dohle::telemetry {
namespace {

TEST(Counter, sums_the_additions_of_more_threads_than_stripes) {
  Counter counter;
  constexpr std::uint64_t each = 10'000;
  std::vector<std::thread> threads;
  for (int i = 0; i < 20; ++i) {
    threads.emplace_back([&counter] {
      for (std::uint64_t n = 0; n < each; ++n) counter.add(2);
    });
  }
  std::uint64_t last = 0;
  for (int i = 0; i < 1'000; ++i) {
    const std::uint64_t now = counter.value();
    EXPECT_LE(last, now);
    last = now;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.value(), 2 * each * threads.size());
}

TEST(Gauge, holds_the_last_value_and_changes) {
  Gauge gauge;
  gauge.set(7);
  gauge.add(-9);
  EXPECT_EQ(gauge.value(), -2);
}

TEST(Sampling, takes_the_first_call_and_each_64th_after_it_on_each_thread) {
  struct Here {};
  struct There {};
  const auto sampled = [] {
    std::vector<int> at;
    for (int i = 0; i < 130; ++i) {
      if (is_sampled<Here>()) at.push_back(i);
    }
    return at;
  };
  const std::vector<int> wanted{0, 64, 128};
  std::thread([&] { EXPECT_EQ(sampled(), wanted); }).join();
  std::thread([&] {
    EXPECT_TRUE(is_sampled<There>());
    EXPECT_FALSE(is_sampled<There>());
    EXPECT_EQ(sampled(), wanted);
  }).join();
}

}  // namespace
}  // namespace dohle::telemetry
