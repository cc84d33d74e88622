#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

/// Nanoseconds of the steady clock.
std::int64_t steady_ns();

/// Microseconds of CPU that this process has used, in all its threads.
double cpu_us();

/// The most memory that this process has held, in MB of 1,000,000 bytes.
double memory_peak_mb();

/// What a run measured, with the keys that `dohle bench --json` prints.
struct Measured {
  std::uint64_t records = 0;
  std::uint64_t failed = 0;
  std::uint64_t bytes = 0;
  double seconds = 0;
  double cpu_us = 0;
  /// Milliseconds each, in any order; may be a sample.
  std::vector<double> latencies;

  std::string to_json();
};

/// Measures time and CPU from its construction to `into`.
class Stopwatch {
 public:
  void into(Measured& measured) const;

 private:
  std::int64_t began_ns_ = steady_ns();
  double began_cpu_us_ = cpu_us();
};
