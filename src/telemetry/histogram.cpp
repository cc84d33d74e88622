#include "telemetry/histogram.hpp"

#include <algorithm>
#include <cmath>

namespace dohle::telemetry {

Distribution Histogram::read() const {
  Distribution read;
  for (int octave = scale_.lowest_octave; octave <= scale_.highest_octave;
       octave += scale_.octaves_apart) {
    // A bucket ends right below each power of two.
    read.bounds.push_back((std::ldexp(1.0, octave) - 1) * scale_.scale);
  }
  for (std::size_t bucket = 0; bucket < bucket_count; ++bucket) {
    const std::uint64_t count = buckets_[bucket].load(std::memory_order_relaxed);
    if (count == 0) continue;
    read.buckets.push_back({static_cast<double>(upper_of(bucket)) * scale_.scale, count});
    read.count += count;
  }
  read.sum = static_cast<double>(sum_.load(std::memory_order_relaxed)) * scale_.scale;
  return read;
}

}  // namespace dohle::telemetry

namespace dohle {
inline namespace v0 {

double Distribution::quantile(double q) const {
  if (count == 0) return 0;
  const double share = std::clamp(q, 0.0, 1.0) * static_cast<double>(count);
  const auto wanted = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(share)));
  std::uint64_t passed = 0;
  for (const Bucket& bucket : buckets) {
    passed += bucket.count;
    if (passed >= wanted) return bucket.upper;
  }
  return buckets.back().upper;
}

}  // namespace v0
}  // namespace dohle
