#include "telemetry/registry.hpp"

#include <algorithm>

#include "base/printable.hpp"

namespace dohle::telemetry {

namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_name(std::string_view name, bool may_have_colons) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_allowed = [&](char c) {
    return is_letter(c) || is_digit(c) || (may_have_colons && c == ':');
  };
  return !name.empty() && name.size() <= Registry::max_name_bytes && is_allowed(name.front()) &&
         !is_digit(name.front()) && std::ranges::all_of(name, is_allowed);
}

Error refused(std::string_view what, std::string_view name, std::string_view allowed) {
  return Error::client(Errc::invalid_argument, "the " + std::string(what) + " " + printable(name) +
                                                   ": allowed " + std::string(allowed));
}

Result<void> check_names(const MetricInfo& of, const MetricLabels& labels) {
  if (!is_name(of.name, true)) {
    return fail(refused("metric name", of.name,
                        "are letters, digits, _ and :, no digit first, at most 200 bytes"));
  }
  if (labels.size() > Registry::max_labels) {
    return fail(Error::client(Errc::limit_reached, "metric " + std::string(of.name) + " has " +
                                                       std::to_string(labels.size()) +
                                                       " labels; allowed are 16"));
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const MetricLabel& label = labels[i];
    if (!is_name(label.name, false)) {
      return fail(refused("label name", label.name,
                          "are letters, digits and _, no digit first, at most 200 bytes"));
    }
    if (label.value.size() > Registry::max_label_bytes) {
      return fail(refused("value of label", label.name, "are at most 1024 bytes"));
    }
    if (i > 0 && labels[i - 1].name == label.name) {
      return fail(refused("label name", label.name, "is each name once"));
    }
  }
  return {};
}

std::size_t hash_of(const MetricInfo& of, const MetricLabels& labels) {
  std::size_t hash = std::hash<std::string_view>{}(of.name);
  for (const MetricLabel& label : labels) {
    hash = hash * 31 + std::hash<std::string_view>{}(label.name);
    hash = hash * 31 + std::hash<std::string_view>{}(label.value);
  }
  return hash;
}

MetricSample sample_of(const MetricLabels& labels, const Counter& counter) {
  return {labels, static_cast<double>(counter.value()), {}};
}
MetricSample sample_of(const MetricLabels& labels, const Gauge& gauge) {
  return {labels, static_cast<double>(gauge.value()), {}};
}
MetricSample sample_of(const MetricLabels& labels, const Histogram& histogram) {
  MetricSample sample{labels, 0, histogram.read()};
  sample.value = static_cast<double>(sample.distribution.count);
  return sample;
}

}  // namespace

template <class Kept>
Result<Kept*> Registry::find(const MetricInfo& of, MetricLabels labels, MetricKind kind,
                             const std::function<std::unique_ptr<Kept>()>& make) {
  std::ranges::sort(labels);
  const std::lock_guard lock(mutex_);
  const auto family = families_.find(of.name);
  if (family != families_.end()) {
    if (family->second.kind != kind) {
      return fail(refused("metric", of.name, "is one kind, and it exists as another one"));
    }
    const auto found = family->second.series.find(labels);
    if (found != family->second.series.end()) {
      return std::get<std::unique_ptr<Kept>>(found->second).get();
    }
  }
  if (auto named = check_names(of, labels); !named) return fail(named.error());
  if (series_ >= max_series_) {
    return fail(Error::client(Errc::limit_reached,
                              "metric " + std::string(of.name) + ": max_series (" +
                                  std::to_string(max_series_) + ") series exist already"));
  }
  ++series_;
  Family& into = family != families_.end() ? family->second : families_[std::string(of.name)];
  into.help = of.help;
  into.unit = of.unit;
  into.kind = kind;
  auto made = make();
  Kept* const kept = made.get();
  into.series.emplace(std::move(labels), std::move(made));
  return kept;
}

Result<Counter*> Registry::find_counter(const MetricInfo& of, MetricLabels labels) {
  return find<Counter>(of, std::move(labels), MetricKind::counter,
                       [] { return std::make_unique<Counter>(); });
}

Result<Gauge*> Registry::find_gauge(const MetricInfo& of, MetricLabels labels) {
  return find<Gauge>(of, std::move(labels), MetricKind::gauge,
                     [] { return std::make_unique<Gauge>(); });
}

Result<Histogram*> Registry::find_histogram(const MetricInfo& of, MetricLabels labels,
                                            const HistogramScale& scale) {
  return find<Histogram>(of, std::move(labels), MetricKind::histogram,
                         [&scale] { return std::make_unique<Histogram>(scale); });
}

template <class Kept>
Kept& Registry::or_spare(Result<Kept*> found, Kept& spare, std::size_t series) {
  if (found) return **found;
  const std::lock_guard lock(mutex_);
  if (left_out_.size() < max_left_out) left_out_.insert(series);
  return spare;
}

Counter& Registry::counter(const MetricInfo& of, MetricLabels labels) {
  const std::size_t series = hash_of(of, labels);
  return or_spare(find_counter(of, std::move(labels)), spare_counter_, series);
}
Gauge& Registry::gauge(const MetricInfo& of, MetricLabels labels) {
  const std::size_t series = hash_of(of, labels);
  return or_spare(find_gauge(of, std::move(labels)), spare_gauge_, series);
}
Histogram& Registry::histogram(const MetricInfo& of, MetricLabels labels,
                               const HistogramScale& scale) {
  const std::size_t series = hash_of(of, labels);
  return or_spare(find_histogram(of, std::move(labels), scale), spare_histogram_, series);
}

void Registry::attach(std::weak_ptr<Collector> collector) {
  const std::lock_guard lock(mutex_);
  std::erase_if(collectors_, [](const auto& each) { return each.expired(); });
  collectors_.push_back(std::move(collector));
}

MetricsSnapshot Registry::snapshot() const {
  MetricsSnapshot taken;
  std::vector<std::shared_ptr<Collector>> collectors;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, family] : families_) {
      Metric metric{name, family.help, family.unit, family.kind, {}};
      for (const auto& [labels, cell] : family.series) {
        metric.samples.push_back(
            std::visit([&](const auto& kept) { return sample_of(labels, *kept); }, cell));
      }
      taken.metrics.push_back(std::move(metric));
    }
    taken.left_out = left_out_.size();
    for (const auto& each : collectors_) {
      if (auto alive = each.lock()) collectors.push_back(std::move(alive));
    }
  }
  // The lock is not held here, since a collector takes locks of its own.
  Collection collection(max_series_);
  for (const auto& each : collectors) each->collect(collection);
  taken.add(collection.take());
  return taken;
}

void Collection::add(const MetricInfo& of, MetricKind kind, MetricLabels labels, double value) {
  std::ranges::sort(labels);
  Family& family = families_.try_emplace(of.name, Family{of.help, of.unit, kind}).first->second;
  const auto same = family.values.find(labels);
  if (same != family.values.end()) {
    same->second += value;
  } else if (left_ == 0) {
    ++left_out_;
  } else {
    --left_;
    family.values.emplace(std::move(labels), value);
  }
}

MetricsSnapshot Collection::take() {
  MetricsSnapshot taken;
  taken.left_out = left_out_;
  for (auto& [name, family] : families_) {
    Metric metric{
        std::string(name), std::string(family.help), std::string(family.unit), family.kind, {}};
    for (const auto& [labels, value] : family.values) metric.samples.push_back({labels, value, {}});
    taken.metrics.push_back(std::move(metric));
  }
  return taken;
}

}  // namespace dohle::telemetry
