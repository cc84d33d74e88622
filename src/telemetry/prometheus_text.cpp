#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

#include "base/utf8.hpp"
#include "dohle/metrics.hpp"

namespace dohle {
inline namespace v0 {

namespace {

constexpr std::string_view left_out_name = "dohle_metrics_left_out_series";

std::string_view name_of(MetricKind kind) {
  switch (kind) {
    case MetricKind::counter:
      return "counter";
    case MetricKind::gauge:
      return "gauge";
    case MetricKind::histogram:
      break;
  }
  return "histogram";
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), end.ptr};
}

void append_escaped(std::string& to, std::string_view text, bool in_quotes) {
  for (const char c : text) {
    if (c == '\\') {
      to += "\\\\";
    } else if (c == '\n') {
      to += "\\n";
    } else if (c == '"' && in_quotes) {
      to += "\\\"";
    } else {
      to += c;
    }
  }
}

/// `le` is a further label; empty: none.
void append_line(std::string& to, std::string_view name, std::string_view suffix,
                 const std::vector<MetricLabel>& labels, std::string_view le,
                 std::string_view value) {
  to.append(name).append(suffix);
  char before = '{';
  const auto append_label = [&](std::string_view label, std::string_view text) {
    to += std::exchange(before, ',');
    to.append(label).append("=\"");
    append_escaped(to, text, true);
    to += '"';
  };
  // Prometheus refuses a whole text for a value that is no UTF-8, as a group id may be.
  for (const MetricLabel& label : labels) append_label(label.name, with_valid_utf8(label.value));
  if (!le.empty()) append_label("le", le);
  if (before == ',') to += '}';
  to.append(" ").append(value).append("\n");
}

void append_histogram(std::string& to, std::string_view name, const MetricSample& sample) {
  const Distribution& values = sample.distribution;
  std::uint64_t passed = 0;
  auto bucket = values.buckets.begin();
  for (const double bound : values.bounds) {
    while (bucket != values.buckets.end() && bucket->upper <= bound) passed += (bucket++)->count;
    append_line(to, name, "_bucket", sample.labels, number(bound), std::to_string(passed));
  }
  append_line(to, name, "_bucket", sample.labels, "+Inf", std::to_string(values.count));
  append_line(to, name, "_sum", sample.labels, {}, number(values.sum));
  append_line(to, name, "_count", sample.labels, {}, std::to_string(values.count));
}

void append_head(std::string& to, std::string_view name, std::string_view help, MetricKind kind) {
  to.append("# HELP ").append(name).append(" ");
  append_escaped(to, help, false);
  to.append("\n# TYPE ").append(name).append(" ").append(name_of(kind)).append("\n");
}

}  // namespace

std::string to_prometheus(const MetricsSnapshot& snapshot) {
  std::string text;
  for (const Metric& metric : snapshot.metrics) {
    append_head(text, metric.name, metric.help, metric.kind);
    for (const MetricSample& sample : metric.samples) {
      if (metric.kind == MetricKind::histogram) {
        append_histogram(text, metric.name, sample);
      } else {
        append_line(text, metric.name, {}, sample.labels, {}, number(sample.value));
      }
    }
  }
  append_head(text, left_out_name, "Series that a limit left out of this text.", MetricKind::gauge);
  append_line(text, left_out_name, {}, {}, {}, std::to_string(snapshot.left_out));
  return text;
}

}  // namespace v0
}  // namespace dohle
