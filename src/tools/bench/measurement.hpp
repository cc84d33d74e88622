#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "tools/bench/latency_histogram.hpp"

namespace dohle::tools {

/// The result of a benchmark run.
struct Measurement {
  std::uint64_t records = 0;
  std::uint64_t failed = 0;
  std::uint64_t bytes = 0;
  double seconds = 0;
  /// User and system time of all threads of the process during the run.
  double cpu_us = 0;
  double memory_peak_mb = 0;
  LatencyHistogram latency = {};
};

/// Apache's producer-performance line (`verb` "sent"), then a line with CPU time and memory. MB are
/// 1,000,000 bytes. Latencies are omitted if none was measured.
std::string to_text(const Measurement& measured, std::string_view verb);

/// One object on one line: records seconds records_per_second mb_per_second cpu_us_per_record
/// memory_peak_mb latency_ms{avg,p50,p95,p99,p999,max} failed.
std::string to_json(const Measurement& measured);

/// Measures time, CPU and memory of the process from its construction to `into`.
class Stopwatch {
 public:
  Stopwatch();
  void into(Measurement& measured) const;

 private:
  std::chrono::steady_clock::time_point began_;
  double began_cpu_us_;
};

/// Nanoseconds of the steady clock.
std::int64_t steady_ns();

}  // namespace dohle::tools
