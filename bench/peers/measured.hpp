#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
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

/// Random bytes that values of `size` bytes are taken from, so that a measurement does not include
/// generating them.
std::string random_bytes(std::size_t size);

/// The value of the message with that number.
std::string_view sample(std::string_view bytes, std::uint64_t number, std::size_t size);
