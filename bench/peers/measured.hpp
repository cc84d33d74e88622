#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

/// Nanoseconds of the steady clock.
std::int64_t steady_ns();

/// CPU time of all threads of this process, in microseconds.
double cpu_us();

/// Peak resident memory of this process, in MB of 1,000,000 bytes.
double memory_peak_mb();

/// The result of a run, with the keys of `dohle bench --json`.
struct Measured {
  std::uint64_t records = 0;
  std::uint64_t failed = 0;
  std::uint64_t bytes = 0;
  double seconds = 0;
  double cpu_us = 0;
  /// In milliseconds, in any order; may be a sample.
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
