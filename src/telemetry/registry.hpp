#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "dohle/metrics.hpp"
#include "telemetry/counter.hpp"
#include "telemetry/histogram.hpp"

namespace dohle::telemetry {

/// The properties that all series of a metric share. The texts are literals.
struct MetricInfo {
  std::string_view name;
  std::string_view help;
  std::string_view unit = {};
};
using MetricLabels = std::vector<MetricLabel>;

/// Receives the values of a Collector, up to the registry's max_series.
class Collection {
 public:
  /// Values with equal labels are summed.
  void add(const MetricInfo& of, MetricKind kind, MetricLabels labels, double value);

  explicit Collection(std::size_t max_series) : left_(max_series) {}
  [[nodiscard]] MetricsSnapshot take();

 private:
  struct Family {
    std::string_view help;
    std::string_view unit;
    MetricKind kind = MetricKind::gauge;
    std::map<MetricLabels, double> values = {};
  };
  std::map<std::string_view, Family> families_;
  std::size_t left_;
  std::uint64_t left_out_ = 0;
};

/// Values that are asked for when a snapshot is taken and not counted before.
class Collector {
 public:
  virtual ~Collector() = default;
  /// Any thread; must not use the registry.
  virtual void collect(Collection& into) = 0;
};

/// The series of all metrics of one object, up to a number. A series stays until the registry's
/// end. Counting takes no lock; registering and reading do. Thread safety: any thread.
class Registry {
 public:
  static constexpr std::size_t default_max_series = 2'000;
  static constexpr std::size_t max_labels = 16;
  static constexpr std::size_t max_name_bytes = 200;
  static constexpr std::size_t max_label_bytes = 1'024;
  /// Further series that are left out are not counted.
  static constexpr std::size_t max_left_out = 10'000;

  explicit Registry(std::size_t max_series = default_max_series) : max_series_(max_series) {}

  // The series with these labels, made on its first use. It lives as long as the registry. Errors:
  // limit_reached, names max_series; invalid_argument: a name or label that Prometheus does not
  // allow or that is too long, a kind that is not the metric's.

  Result<Counter*> find_counter(const MetricInfo& of, MetricLabels labels = {});
  Result<Gauge*> find_gauge(const MetricInfo& of, MetricLabels labels = {});
  Result<Histogram*> find_histogram(const MetricInfo& of, MetricLabels labels = {},
                                    const HistogramScale& scale = seconds);

  // The same for the library's own metrics. Beyond max_series they return one that no snapshot
  // shows, and the series counts as left out, once.

  [[nodiscard]] Counter& counter(const MetricInfo& of, MetricLabels labels = {});
  [[nodiscard]] Gauge& gauge(const MetricInfo& of, MetricLabels labels = {});
  [[nodiscard]] Histogram& histogram(const MetricInfo& of, MetricLabels labels = {},
                                     const HistogramScale& scale = seconds);

  /// Its values are in each snapshot as long as it lives.
  void attach(std::weak_ptr<Collector> collector);
  [[nodiscard]] MetricsSnapshot snapshot() const;

 private:
  using Cell =
      std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>, std::unique_ptr<Histogram>>;
  struct Family {
    std::string help;
    std::string unit;
    MetricKind kind = MetricKind::counter;
    std::map<MetricLabels, Cell> series;
  };
  template <class Kept>
  Result<Kept*> find(const MetricInfo& of, MetricLabels labels, MetricKind kind,
                     const std::function<std::unique_ptr<Kept>()>& make);
  template <class Kept>
  Kept& or_spare(Result<Kept*> found, Kept& spare, std::size_t series);

  const std::size_t max_series_;
  mutable std::mutex mutex_;
  std::map<std::string, Family, std::less<>> families_;
  std::size_t series_ = 0;
  /// Hashes of the series that were left out.
  std::unordered_set<std::size_t> left_out_;
  mutable std::vector<std::weak_ptr<Collector>> collectors_;
  Counter spare_counter_;
  Gauge spare_gauge_;
  Histogram spare_histogram_;
};

/// Opens the public Metrics for the library.
struct MetricsAccess {
  static const std::shared_ptr<Registry>& registry(const Metrics& metrics) {
    return metrics.registry_;
  }
  static std::shared_ptr<Metrics> make(std::shared_ptr<Registry> registry) {
    return std::shared_ptr<Metrics>(new Metrics(std::move(registry)));
  }
};

}  // namespace dohle::telemetry
