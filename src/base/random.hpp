#pragma once

#include <cstdint>

namespace dohle {

/// The only source of randomness: seeded in tests and simulation, by the system otherwise.
/// Not thread safe: each loop has its own.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;

  /// Uniform in [0, bound); 0 for a bound of 0. The bias is below bound / 2^64.
  std::uint64_t below(std::uint64_t bound) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }
  /// Uniform in [0, 1).
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
};

/// The number that SplitMix64 adds to its state for each output.
inline constexpr std::uint64_t split_mix_step = 0x9e3779b97f4a7c15u;

/// The finalizer of SplitMix64: every bit of the result depends on every bit of `bits`.
[[nodiscard]] constexpr std::uint64_t split_mixed(std::uint64_t bits) {
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
  return bits ^ (bits >> 31);
}

/// SplitMix64: small, fast, and the same sequence everywhere for one seed. It can be moved but not
/// copied: two copies would draw the same numbers.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  SeededRandom(SeededRandom&&) = default;
  SeededRandom& operator=(SeededRandom&&) = default;
  std::uint64_t next() override { return split_mixed(state_ += split_mix_step); }

 private:
  std::uint64_t state_;
};

}  // namespace dohle
