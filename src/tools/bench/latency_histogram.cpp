#include "tools/bench/latency_histogram.hpp"

#include <algorithm>
#include <cmath>

namespace dohle::tools {

double LatencyHistogram::middle_ns(std::size_t bucket) {
  const std::size_t octave = bucket >> sub_bits;
  if (octave == 0) return static_cast<double>(bucket);
  const std::size_t sub = bucket & ((std::size_t{1} << sub_bits) - 1);
  const double width = std::ldexp(1.0, static_cast<int>(octave) - 1);
  return (static_cast<double>(sub + (std::size_t{1} << sub_bits)) + 0.5) * width;
}

double LatencyHistogram::average_ms() const {
  return total_ == 0 ? 0 : sum_ns_ / static_cast<double>(total_) / 1e6;
}

double LatencyHistogram::quantile_ms(double q) const {
  if (total_ == 0) return 0;
  const auto wanted = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(total_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets; ++i) {
    seen += counts_[i];
    if (seen >= std::max<std::uint64_t>(wanted, 1)) return std::min(middle_ns(i) / 1e6, max_ms());
  }
  return max_ms();
}

}  // namespace dohle::tools
