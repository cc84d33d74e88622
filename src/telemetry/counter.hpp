#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace dohle::telemetry {

/// The number of the calling thread among all threads that counted, from 0.
[[nodiscard]] inline std::uint32_t thread_number() {
  static constinit std::atomic<std::uint32_t> next{1};
  static constinit thread_local std::uint32_t mine = 0;
  if (mine == 0) [[unlikely]]
    mine = next.fetch_add(1, std::memory_order_relaxed);
  return mine - 1;
}

/// A sum that only grows. Up to eight threads add without sharing a cache line. Thread safety: any
/// thread; no lock.
class Counter {
 public:
  void add(std::uint64_t count = 1) {
    stripes_[thread_number() % stripes_.size()].sum.fetch_add(count, std::memory_order_relaxed);
  }
  /// Never less than an earlier value that the calling thread read.
  [[nodiscard]] std::uint64_t value() const {
    std::uint64_t sum = 0;
    for (const Stripe& each : stripes_) sum += each.sum.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  struct alignas(64) Stripe {
    std::atomic<std::uint64_t> sum{0};
  };
  std::array<Stripe, 8> stripes_;
};

/// A value of the moment. Thread safety: any thread; no lock.
class Gauge {
 public:
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(std::int64_t change) { value_.fetch_add(change, std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// True for one in `period` calls on each thread, the first included: times calls without a clock
/// read for each. `Site` tells the places apart.
template <class Site, std::uint32_t period = 64>
[[nodiscard]] bool is_sampled() {
  static constinit thread_local std::uint32_t calls = 0;
  return calls++ % period == 0;
}

}  // namespace dohle::telemetry
