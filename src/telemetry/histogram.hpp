#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/time.hpp"
#include "dohle/metrics.hpp"

namespace dohle::telemetry {

/// How a histogram's numbers become values of its metric, and the bounds that Prometheus text
/// shows: each `octaves_apart` powers of two, from 2^lowest_octave to 2^highest_octave, times the
/// scale.
struct HistogramScale {
  double scale = 1;
  int lowest_octave = 0;
  int highest_octave = 24;
  int octaves_apart = 2;
};
/// Nanoseconds as seconds, from 16 µs to 69 s.
inline constexpr HistogramScale seconds{1e-9, 14, 36, 2};

/// A distribution of whole numbers in log-linear buckets: eight per power of two, over all 64 bits.
/// 4 KiB. Thread safety: any thread; no lock.
class Histogram {
 public:
  /// The buckets of a power of two, as a power of two.
  static constexpr int sub_bits = 3;
  static constexpr std::size_t bucket_count = (64 - sub_bits + 1) << sub_bits;

  explicit Histogram(const HistogramScale& scale = {}) : scale_(scale) {}

  void add(std::uint64_t value) {
    buckets_[bucket_of(value)].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
  }
  /// As nanoseconds; a negative one counts as 0.
  void add(Duration time) { add(time.count() < 0 ? 0 : static_cast<std::uint64_t>(time.count())); }
  [[nodiscard]] Distribution read() const;

  [[nodiscard]] static constexpr std::size_t bucket_of(std::uint64_t value) {
    constexpr std::uint64_t linear = std::uint64_t{1} << sub_bits;
    if (value < linear) return static_cast<std::size_t>(value);
    const int shift = static_cast<int>(std::bit_width(value)) - 1 - sub_bits;
    return static_cast<std::size_t>(shift + 1) * linear +
           static_cast<std::size_t>((value >> shift) - linear);
  }
  /// The largest value of the bucket.
  [[nodiscard]] static constexpr std::uint64_t upper_of(std::size_t bucket) {
    constexpr std::size_t linear = std::size_t{1} << sub_bits;
    if (bucket < linear) return bucket;
    const std::size_t shift = bucket / linear - 1;
    const std::uint64_t lowest = std::uint64_t{linear + bucket % linear} << shift;
    return lowest + ((std::uint64_t{1} << shift) - 1);
  }

 private:
  const HistogramScale scale_;
  std::array<std::atomic<std::uint64_t>, bucket_count> buckets_{};
  std::atomic<std::uint64_t> sum_{0};
};

}  // namespace dohle::telemetry
