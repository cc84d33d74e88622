#include "tools/bench/latency_histogram.hpp"

#include <gtest/gtest.h>

namespace dohle::tools {
namespace {

TEST(LatencyHistogram, WithoutValuesIsZero) {
  const LatencyHistogram none;
  EXPECT_EQ(none.count(), 0U);
  EXPECT_EQ(none.average_ms(), 0);
  EXPECT_EQ(none.quantile_ms(0.5), 0);
  EXPECT_EQ(none.max_ms(), 0);
}

TEST(LatencyHistogram, KeepsEveryValueToOnePartIn128) {
  for (std::int64_t ns = 1; ns < (std::int64_t{1} << 44); ns = ns * 3 + 1) {
    LatencyHistogram one;
    one.add(ns);
    one.add(std::int64_t{1} << 44);  // otherwise the maximum would be the exact value
    const double ms = static_cast<double>(ns) / 1e6;
    EXPECT_NEAR(one.quantile_ms(0.5), ms, ms / 128) << ns;
  }
}

TEST(LatencyHistogram, HasTheQuantilesOfAKnownDistribution) {
  LatencyHistogram spread;
  for (std::int64_t us = 1; us <= 1000; ++us) spread.add(us * 1000);
  EXPECT_EQ(spread.count(), 1000U);
  EXPECT_NEAR(spread.average_ms(), 0.5005, 1e-9);
  EXPECT_NEAR(spread.quantile_ms(0.5), 0.5, 0.5 / 128);
  EXPECT_NEAR(spread.quantile_ms(0.99), 0.99, 0.99 / 128);
  EXPECT_EQ(spread.max_ms(), 1.0);
  EXPECT_LE(spread.quantile_ms(1), 1.0);
}

TEST(LatencyHistogram, ValuesOutsideOfItsRangeCountInTheLastBuckets) {
  LatencyHistogram odd;
  odd.add(-5);
  EXPECT_EQ(odd.max_ms(), 0);
  odd.add(std::int64_t{1} << 62);
  EXPECT_EQ(odd.count(), 2U);
  EXPECT_GT(odd.quantile_ms(1), 1e7);
}

}  // namespace
}  // namespace dohle::tools
