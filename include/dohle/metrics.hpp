#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/export.hpp"

namespace dohle::telemetry {
class Registry;
struct MetricsAccess;
}  // namespace dohle::telemetry

namespace dohle {
inline namespace v0 {

/// How a metric's values change.
enum class MetricKind : std::uint8_t {
  counter,    ///< a number that only grows until the program ends
  gauge,      ///< the current value
  histogram,  ///< a distribution of values, whose counts only grow
};

/// A name and a value that distinguish the series of one metric.
struct MetricLabel {
  /// Its name, for example "topic".
  std::string name;
  /// Its value; any bytes. Prometheus' text has U+FFFD in place of bytes that are not UTF-8.
  std::string value;
  friend auto operator<=>(const MetricLabel&, const MetricLabel&) = default;
};

/// The values of a histogram in log-linear buckets. There are eight buckets per power of two, so
/// the width of a bucket is at most 12.5 % of its values.
struct DOHLE_API Distribution {
  /// The values above the previous bucket and up to `upper`.
  struct Bucket {
    /// The largest value of the bucket, in the metric's unit.
    double upper = 0;
    /// The number of its values; at least 1.
    std::uint64_t count = 0;
    friend bool operator==(const Bucket&, const Bucket&) = default;
  };

  /// The buckets with values, the lowest first.
  std::vector<Bucket> buckets = {};
  /// The upper bounds of the buckets in Prometheus' text, ascending. All distributions of one
  /// metric have the same bounds. No bucket of `buckets` contains a bound in its middle.
  std::vector<double> bounds = {};
  /// The number of values.
  std::uint64_t count = 0;
  /// The sum of the values, in the metric's unit.
  double sum = 0;

  /// The quantile `q`, 0 to 1: the value that a share of `q` of all values does not exceed. Returns
  /// the upper bound of its bucket, which is at most 12.5 % too large. 0 without values.
  [[nodiscard]] double quantile(double q) const;
};

/// One series of a metric.
struct MetricSample {
  /// Its labels, sorted by name.
  std::vector<MetricLabel> labels = {};
  /// The value of a counter or gauge. For a histogram, the number of its values.
  double value = 0;
  /// The values of a histogram. Empty for other kinds.
  Distribution distribution = {};
};

/// One metric with all of its series. docs/observability.md lists the library's metrics.
struct Metric {
  /// Its name, for example "dohle_producer_records_total".
  std::string name;
  /// A sentence that describes it.
  std::string help;
  /// Its unit, for example "seconds" or "bytes". Empty for a plain number.
  std::string unit;
  /// How its values change.
  MetricKind kind = MetricKind::counter;
  /// Its series, sorted by their labels.
  std::vector<MetricSample> samples = {};
};

/// The values of many metrics. They are read one after the other while counting continues. A plain
/// value: it refers to no other object.
struct DOHLE_API MetricsSnapshot {
  /// The metrics, sorted by name.
  std::vector<Metric> metrics = {};
  /// The number of series that were left out because of a limit (`MetricsOptions::max_series`).
  std::uint64_t left_out = 0;

  /// The metric of that name; null if there is none. Valid until the snapshot changes.
  [[nodiscard]] const Metric* find(std::string_view name) const;
  /// The sum of the values of all series of that metric that have these labels. Absent if there is
  /// no such series.
  [[nodiscard]] std::optional<double> value(std::string_view name,
                                            std::initializer_list<MetricLabel> labels = {}) const;
  /// Adds the metrics of another snapshot. If both have a metric, it gets the series of both.
  void add(MetricsSnapshot other);
};

/// All metrics in Prometheus' text format 0.0.4. Serve it as "text/plain; version=0.0.4;
/// charset=utf-8". Source: Prometheus, "Exposition formats", text-based format.
[[nodiscard]] DOHLE_API std::string to_prometheus(const MetricsSnapshot& snapshot);

/// The options of Metrics.
struct MetricsOptions {
  /// Default: 2,000. 1 to 1,000,000. The most series of all metrics together. A series takes up to
  /// 5 KiB. Above the limit, no further series is made, its events are not counted, and
  /// MetricsSnapshot::left_out counts it.
  std::size_t max_series = 2'000;
};

/// The counters of the ready-made middlewares (`dohle/middleware.hpp`). A Broker and a Client have
/// counters of their own (`Broker::metrics`, `Client::metrics`).
///
/// Lifetime: a middleware that counts in it keeps it alive. Thread safety: any thread.
class DOHLE_API Metrics {
 public:
  /// Makes an object without series. Errors: configuration, with the option, its value and the
  /// allowed values.
  [[nodiscard]] static Result<std::shared_ptr<Metrics>> create(MetricsOptions options = {});
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// The current values. Takes a lock that counting does not take.
  [[nodiscard]] MetricsSnapshot snapshot() const;

 private:
  friend struct telemetry::MetricsAccess;
  explicit Metrics(std::shared_ptr<telemetry::Registry> registry);

  std::shared_ptr<telemetry::Registry> registry_;
};

}  // namespace v0
}  // namespace dohle
