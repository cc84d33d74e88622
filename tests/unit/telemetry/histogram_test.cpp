#include "telemetry/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <thread>
#include <vector>

#include "base/random.hpp"

namespace dohle::telemetry {
namespace {

constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();

TEST(Histogram, has_a_bucket_for_each_number_and_none_is_wider_than_an_eighth) {
  EXPECT_EQ(Histogram::bucket_of(0), 0u);
  EXPECT_EQ(Histogram::bucket_of(largest), Histogram::bucket_count - 1);
  EXPECT_EQ(Histogram::upper_of(Histogram::bucket_count - 1), largest);
  std::uint64_t lowest = 0;
  for (std::size_t bucket = 0; bucket < Histogram::bucket_count; ++bucket) {
    const std::uint64_t upper = Histogram::upper_of(bucket);
    EXPECT_EQ(Histogram::bucket_of(lowest), bucket);
    EXPECT_EQ(Histogram::bucket_of(upper), bucket);
    EXPECT_LE(upper - lowest, lowest / 8) << lowest;
    lowest = upper + 1;
  }
}

TEST(Histogram, is_empty_at_first) {
  const Distribution read = Histogram().read();
  EXPECT_EQ(read.count, 0u);
  EXPECT_EQ(read.sum, 0);
  EXPECT_TRUE(read.buckets.empty());
  EXPECT_EQ(read.quantile(0.5), 0);
}

TEST(Histogram, takes_times_as_seconds_and_negative_ones_as_0) {
  Histogram histogram(seconds);
  histogram.add(Duration(std::chrono::seconds(1)));
  histogram.add(Duration(-5));
  const Distribution read = histogram.read();
  EXPECT_EQ(read.count, 2u);
  EXPECT_DOUBLE_EQ(read.sum, 1.0);
  EXPECT_EQ(read.buckets.front(), (Distribution::Bucket{0, 1}));
  EXPECT_GE(read.quantile(1), 1.0);
  EXPECT_LE(read.quantile(1), 1.125);
}

TEST(Histogram, has_no_bucket_across_a_bound) {
  Histogram histogram(seconds);
  for (int octave = 0; octave < 63; ++octave) {
    histogram.add(std::uint64_t{1} << octave);
    histogram.add((std::uint64_t{1} << octave) - 1);
  }
  const Distribution read = histogram.read();
  EXPECT_EQ(read.bounds.size(), 12u);
  for (const double bound : read.bounds) {
    EXPECT_NE(std::ranges::find(read.buckets, bound, &Distribution::Bucket::upper),
              read.buckets.end())
        << bound;
  }
}

/// Against a sorted list of the same values.
TEST(Histogram, agrees_with_a_model) {
  SeededRandom random(7);
  for (int round = 0; round < 50; ++round) {
    Histogram histogram;
    std::vector<std::uint64_t> values(1 + random.below(2'000));
    for (std::uint64_t& value : values) {
      // Each size of number is as likely as the others.
      value = random.next() >> (1 + random.below(63));
      histogram.add(value);
    }
    std::ranges::sort(values);
    const Distribution read = histogram.read();
    ASSERT_EQ(read.count, values.size());
    const auto whole =
        std::accumulate(values.begin(), values.end(), std::uint64_t{0});  // wraps as the sum does
    EXPECT_DOUBLE_EQ(read.sum, static_cast<double>(whole));
    for (const double q : {0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const auto rank = static_cast<std::size_t>(
          std::max(1.0, std::ceil(q * static_cast<double>(values.size()))));
      const auto exact = static_cast<double>(values[rank - 1]);
      EXPECT_GE(read.quantile(q), exact) << q;
      EXPECT_LE(read.quantile(q), exact * 1.125 + 1e-9) << q;
    }
    std::uint64_t sum = 0;
    double last = -1;
    for (const Distribution::Bucket& bucket : read.buckets) {
      EXPECT_GT(bucket.upper, last);
      EXPECT_GT(bucket.count, 0u);
      last = bucket.upper;
      sum += bucket.count;
    }
    EXPECT_EQ(sum, read.count);
  }
}

TEST(Histogram, counts_the_values_of_several_threads) {
  Histogram histogram;
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 4; ++i) {
    threads.emplace_back([&histogram, i] {
      for (std::uint64_t n = 0; n < 10'000; ++n) histogram.add(i);
    });
  }
  std::uint64_t last = 0;
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t now = histogram.read().count;
    EXPECT_LE(last, now);
    last = now;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(histogram.read().count, 40'000u);
  EXPECT_EQ(histogram.read().sum, 60'000);
}

}  // namespace
}  // namespace dohle::telemetry
