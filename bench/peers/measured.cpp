#include "measured.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include <fmt/format.h>

namespace {

constexpr std::size_t sampled_bytes = std::size_t{1} << 20;

double quantile(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) return 0;
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(std::lround(last * q))];
}

double us(const timeval& t) {
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
}

}  // namespace

std::int64_t steady_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double cpu_us() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return us(usage.ru_utime) + us(usage.ru_stime);
}

double memory_peak_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024 / 1e6;
}

void Stopwatch::into(Measured& measured) const {
  measured.seconds = static_cast<double>(steady_ns() - began_ns_) / 1e9;
  measured.cpu_us = cpu_us() - began_cpu_us_;
}

std::string Measured::to_json() {
  std::sort(latencies.begin(), latencies.end());
  const double sum = std::accumulate(latencies.begin(), latencies.end(), 0.0);
  const double count = static_cast<double>(std::max<std::uint64_t>(records, 1));
  const double time = std::max(seconds, 1e-9);
  return fmt::format(
      R"({{"records":{},"seconds":{:.6f},"records_per_second":{:.1f},"mb_per_second":{:.3f},)"
      R"("cpu_us_per_record":{:.4f},"memory_peak_mb":{:.1f},"latency_ms":{{"avg":{:.3f},)"
      R"("p50":{:.3f},"p95":{:.3f},"p99":{:.3f},"p999":{:.3f},"max":{:.3f}}},"failed":{}}})",
      records, seconds, static_cast<double>(records) / time,
      static_cast<double>(bytes) / 1e6 / time, cpu_us / count, memory_peak_mb(),
      latencies.empty() ? 0 : sum / static_cast<double>(latencies.size()), quantile(latencies, 0.5),
      quantile(latencies, 0.95), quantile(latencies, 0.99), quantile(latencies, 0.999),
      latencies.empty() ? 0 : latencies.back(), failed);
}

std::string random_bytes(std::size_t size) {
  std::string bytes(size + sampled_bytes, '\0');
  std::mt19937_64 random(1);
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

std::string_view sample(std::string_view bytes, std::uint64_t number, std::size_t size) {
  return bytes.substr((number * 61) % sampled_bytes, size);
}
