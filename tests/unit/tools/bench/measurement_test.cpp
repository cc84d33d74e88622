#include "tools/bench/measurement.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace dohle::tools {
namespace {

Measurement sample() {
  Measurement measured{
      .records = 1000, .failed = 3, .bytes = 100'000, .seconds = 0.5, .cpu_us = 250};
  measured.memory_peak_mb = 12.34;
  measured.latency.add(2'000'000);
  return measured;
}

TEST(Measurement, TextStartsWithApachesLine) {
  const std::string text = to_text(sample(), "sent");
  EXPECT_THAT(
      text, testing::StartsWith("1000 records sent, 2000.0 records/sec (0.20 MB/sec), 2.000 ms avg "
                                "latency, 2.000 ms max latency, "));
  EXPECT_THAT(text, testing::HasSubstr(" ms 99.9th.\n"));
  EXPECT_THAT(
      text, testing::EndsWith("0.250 us CPU per record, 12.3 MB peak memory\n3 records failed\n"));
}

TEST(Measurement, TextWithoutLatenciesNamesNone) {
  Measurement measured = sample();
  measured.latency = {};
  measured.failed = 0;
  EXPECT_EQ(to_text(measured, "read"),
            "1000 records read, 2000.0 records/sec (0.20 MB/sec).\n"
            "0.250 us CPU per record, 12.3 MB peak memory\n");
}

TEST(Measurement, JsonHasExactlyItsKeys) {
  const auto json = nlohmann::ordered_json::parse(to_json(sample()));
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  EXPECT_THAT(keys,
              testing::ElementsAre("records", "seconds", "records_per_second", "mb_per_second",
                                   "cpu_us_per_record", "memory_peak_mb", "latency_ms", "failed"));
  keys.clear();
  for (const auto& [key, value] : json["latency_ms"].items()) keys.push_back(key);
  EXPECT_THAT(keys, testing::ElementsAre("avg", "p50", "p95", "p99", "p999", "max"));
  EXPECT_EQ(json["records_per_second"], 2000.0);
  EXPECT_EQ(json["cpu_us_per_record"], 0.25);
}

TEST(Measurement, WithoutRecordsHasFiguresOfZero) {
  const auto json = nlohmann::json::parse(to_json(Measurement{}));
  EXPECT_EQ(json["records_per_second"], 0.0);
  EXPECT_EQ(json["cpu_us_per_record"], 0.0);
}

TEST(Measurement, AStopwatchSeesTimeAndMemory) {
  const Stopwatch watch;
  Measurement measured;
  watch.into(measured);
  EXPECT_GE(measured.seconds, 0);
  EXPECT_GE(measured.cpu_us, 0);
  EXPECT_GT(measured.memory_peak_mb, 1);
}

}  // namespace
}  // namespace dohle::tools
