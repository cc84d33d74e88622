#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace dohle::tools {

/// Counts durations from 1 ns to 4.8 h in buckets whose width is at most 1/128 of their value. Its
/// memory never grows. Not thread safe.
class LatencyHistogram {
 public:
  void add(std::int64_t ns) {
    const auto value = static_cast<std::uint64_t>(ns < 0 ? 0 : ns);
    ++counts_[bucket_of(value)];
    ++total_;
    sum_ns_ += static_cast<double>(value);
    max_ns_ = std::max(max_ns_, value);
  }

  [[nodiscard]] std::uint64_t count() const { return total_; }
  /// In milliseconds; 0 without durations. A quantile is the middle of its bucket.
  [[nodiscard]] double average_ms() const;
  [[nodiscard]] double quantile_ms(double q) const;
  [[nodiscard]] double max_ms() const { return static_cast<double>(max_ns_) / 1e6; }

 private:
  static constexpr unsigned sub_bits = 7, octaves = 38;
  static constexpr std::size_t buckets = std::size_t{octaves} << sub_bits;

  /// One bucket per value below 2^sub_bits, then 2^sub_bits buckets per power of two.
  static constexpr std::size_t bucket_of(std::uint64_t value) {
    if (value < (1U << sub_bits)) return value;
    const auto octave = static_cast<unsigned>(std::bit_width(value)) - sub_bits;
    const std::size_t at =
        (std::size_t{octave} << sub_bits) + ((value >> (octave - 1)) & ((1U << sub_bits) - 1));
    return at < buckets ? at : buckets - 1;
  }
  static double middle_ns(std::size_t bucket);

  std::array<std::uint64_t, buckets> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t max_ns_ = 0;
  double sum_ns_ = 0;
};

}  // namespace dohle::tools
