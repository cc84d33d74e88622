#include "dohle/metrics.hpp"

#include <algorithm>
#include <utility>

#include "base/option_checks.hpp"
#include "telemetry/registry.hpp"

namespace dohle {
inline namespace v0 {

const Metric* MetricsSnapshot::find(std::string_view name) const {
  const auto found = std::ranges::find(metrics, name, &Metric::name);
  return found != metrics.end() ? &*found : nullptr;
}

std::optional<double> MetricsSnapshot::value(std::string_view name,
                                             std::initializer_list<MetricLabel> labels) const {
  const Metric* const metric = find(name);
  if (metric == nullptr) return std::nullopt;
  std::optional<double> sum;
  for (const MetricSample& sample : metric->samples) {
    const bool has_all = std::ranges::all_of(labels, [&](const MetricLabel& label) {
      return std::ranges::find(sample.labels, label) != sample.labels.end();
    });
    if (has_all) sum = sum.value_or(0) + sample.value;
  }
  return sum;
}

void MetricsSnapshot::add(MetricsSnapshot other) {
  left_out += other.left_out;
  for (Metric& each : other.metrics) {
    const auto found = std::ranges::find(metrics, each.name, &Metric::name);
    if (found == metrics.end()) {
      metrics.push_back(std::move(each));
    } else {
      std::ranges::move(each.samples, std::back_inserter(found->samples));
    }
  }
  std::ranges::sort(metrics, {}, &Metric::name);
  for (Metric& metric : metrics) std::ranges::sort(metric.samples, {}, &MetricSample::labels);
}

Metrics::Metrics(std::shared_ptr<telemetry::Registry> registry) : registry_(std::move(registry)) {}
Metrics::~Metrics() = default;

Result<std::shared_ptr<Metrics>> Metrics::create(MetricsOptions options) {
  auto checked = check_options({{"max_series", as_value(options.max_series), 1, 1'000'000}});
  if (!checked) return fail(checked.error());
  return telemetry::MetricsAccess::make(std::make_shared<telemetry::Registry>(options.max_series));
}

MetricsSnapshot Metrics::snapshot() const {
  return registry_->snapshot();
}

}  // namespace v0
}  // namespace dohle
