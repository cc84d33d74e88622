#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "dohle/metrics.hpp"
#include "telemetry/registry.hpp"

namespace dohle {
namespace {

using testing::HasSubstr;

constexpr std::string_view end =
    "# HELP dohle_metrics_left_out_series Series that a limit left out of this text.\n"
    "# TYPE dohle_metrics_left_out_series gauge\n"
    "dohle_metrics_left_out_series 0\n";

TEST(PrometheusText, of_nothing_says_that_nothing_was_left_out) {
  EXPECT_EQ(to_prometheus({}), end);
}

TEST(PrometheusText, has_a_head_for_each_metric_and_a_line_for_each_series) {
  MetricsSnapshot all;
  all.metrics.push_back({"a_total",
                         "All a.",
                         "",
                         MetricKind::counter,
                         {{{}, 3, {}}, {{{"group", "g"}, {"topic", "t"}}, 4'294'967'296, {}}}});
  all.metrics.push_back({"b_bytes", "The b.", "bytes", MetricKind::gauge, {{{}, -0.5, {}}}});
  EXPECT_EQ(to_prometheus(all),
            "# HELP a_total All a.\n"
            "# TYPE a_total counter\n"
            "a_total 3\n"
            "a_total{group=\"g\",topic=\"t\"} 4294967296\n"
            "# HELP b_bytes The b.\n"
            "# TYPE b_bytes gauge\n"
            "b_bytes -0.5\n" +
                std::string(end));
}

TEST(PrometheusText, escapes_helps_and_labels) {
  MetricsSnapshot all;
  all.metrics.push_back({"a",
                         "One \\ \"two\"\nthree",
                         "",
                         MetricKind::gauge,
                         {{{{"l", "\\ \"quoted\"\nnext line, {x=1} ä"}}, 1, {}}}});
  const std::string text = to_prometheus(all);
  EXPECT_THAT(text, HasSubstr("# HELP a One \\\\ \"two\"\\nthree\n"));
  EXPECT_THAT(text, HasSubstr("a{l=\"\\\\ \\\"quoted\\\"\\nnext line, {x=1} ä\"} 1\n"));
}

TEST(PrometheusText, writes_values_of_labels_in_utf8) {
  MetricsSnapshot all;
  all.metrics.push_back({"a", "A.", "", MetricKind::gauge, {{{{"group", "caf\xe9"}}, 1, {}}}});
  EXPECT_THAT(to_prometheus(all), HasSubstr("a{group=\"caf\xef\xbf\xbd\"} 1\n"));
}

TEST(PrometheusText, spells_numbers_that_are_not_finite) {
  MetricsSnapshot all;
  using Limits = std::numeric_limits<double>;
  all.metrics.push_back({"a",
                         "A.",
                         "",
                         MetricKind::gauge,
                         {{{}, Limits::infinity(), {}},
                          {{}, -Limits::infinity(), {}},
                          {{}, Limits::quiet_NaN(), {}}}});
  EXPECT_THAT(to_prometheus(all), HasSubstr("a +Inf\na -Inf\na NaN\n"));
}

TEST(PrometheusText, counts_the_values_of_a_histogram_up_to_each_bound) {
  telemetry::Registry registry;
  auto& times = registry.histogram({"t_seconds", "Times.", "seconds"}, {{"api", "Fetch"}},
                                   {.scale = 1, .lowest_octave = 1, .highest_octave = 5});
  for (const int value : {0, 1, 2, 7, 8, 31, 32, 1'000})
    times.add(static_cast<std::uint64_t>(value));
  EXPECT_THAT(to_prometheus(registry.snapshot()),
              HasSubstr("# TYPE t_seconds histogram\n"
                        "t_seconds_bucket{api=\"Fetch\",le=\"1\"} 2\n"
                        "t_seconds_bucket{api=\"Fetch\",le=\"7\"} 4\n"
                        "t_seconds_bucket{api=\"Fetch\",le=\"31\"} 6\n"
                        "t_seconds_bucket{api=\"Fetch\",le=\"+Inf\"} 8\n"
                        "t_seconds_sum{api=\"Fetch\"} 1081\n"
                        "t_seconds_count{api=\"Fetch\"} 8\n"));
}

TEST(PrometheusText, says_how_many_series_were_left_out) {
  MetricsSnapshot all;
  all.left_out = 12;
  EXPECT_THAT(to_prometheus(all), HasSubstr("dohle_metrics_left_out_series 12\n"));
}

}  // namespace
}  // namespace dohle
