#include "tools/bench/measurement.hpp"

#include <sys/resource.h>

#include <algorithm>

#include <fmt/format.h>

#include "tools/commands/counted.hpp"

namespace dohle::tools {

namespace {

double us(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
}

rusage usage_now() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage;
}

double cpu_us_now() {
  const rusage usage = usage_now();
  return us(usage.ru_utime) + us(usage.ru_stime);
}

struct Rates {
  double records_per_second;
  double mb_per_second;
  double cpu_us_per_record;
};

Rates rates_of(const Measurement& measured) {
  const double seconds = std::max(measured.seconds, 1e-9);
  const auto records = static_cast<double>(measured.records);
  return {records / seconds, static_cast<double>(measured.bytes) / 1e6 / seconds,
          measured.cpu_us / std::max(records, 1.0)};
}

}  // namespace

std::string to_text(const Measurement& measured, std::string_view verb) {
  const Rates rates = rates_of(measured);
  const LatencyHistogram& latency = measured.latency;
  std::string text =
      fmt::format("{} records {}, {:.1f} records/sec ({:.2f} MB/sec)", measured.records, verb,
                  rates.records_per_second, rates.mb_per_second);
  if (latency.count() > 0) {
    text += fmt::format(
        ", {:.3f} ms avg latency, {:.3f} ms max latency, {:.3f} ms 50th, {:.3f} ms 95th, "
        "{:.3f} ms 99th, {:.3f} ms 99.9th",
        latency.average_ms(), latency.max_ms(), latency.quantile_ms(0.5), latency.quantile_ms(0.95),
        latency.quantile_ms(0.99), latency.quantile_ms(0.999));
  }
  text += fmt::format(".\n{:.3f} us CPU per record, {:.1f} MB peak memory\n",
                      rates.cpu_us_per_record, measured.memory_peak_mb);
  if (measured.failed > 0) text += counted(measured.failed, "record") + " failed\n";
  return text;
}

std::string to_json(const Measurement& measured) {
  const Rates rates = rates_of(measured);
  const LatencyHistogram& latency = measured.latency;
  return fmt::format(
      R"({{"records":{},"seconds":{:.6f},"records_per_second":{:.1f},"mb_per_second":{:.3f},)"
      R"("cpu_us_per_record":{:.4f},"memory_peak_mb":{:.1f},"latency_ms":{{"avg":{:.4f},)"
      R"("p50":{:.4f},"p95":{:.4f},"p99":{:.4f},"p999":{:.4f},"max":{:.4f}}},"failed":{}}})",
      measured.records, measured.seconds, rates.records_per_second, rates.mb_per_second,
      rates.cpu_us_per_record, measured.memory_peak_mb, latency.average_ms(),
      latency.quantile_ms(0.5), latency.quantile_ms(0.95), latency.quantile_ms(0.99),
      latency.quantile_ms(0.999), latency.max_ms(), measured.failed);
}

Stopwatch::Stopwatch() : began_(std::chrono::steady_clock::now()), began_cpu_us_(cpu_us_now()) {}

void Stopwatch::into(Measurement& measured) const {
  measured.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  measured.cpu_us = cpu_us_now() - began_cpu_us_;
  measured.memory_peak_mb = static_cast<double>(usage_now().ru_maxrss) * 1024 / 1e6;
}

std::int64_t steady_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace dohle::tools
