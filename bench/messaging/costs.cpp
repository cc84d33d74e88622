#include "costs.hpp"

#include <time.h>

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace {

std::int64_t read_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

struct Kind {
  std::string_view name;
  std::string_view key;
  double Cost::* member;
};
constexpr std::array kinds{Kind{"CPU of the publishing thread", "thread_cpu_ns", &Cost::thread_cpu},
                           Kind{"CPU of the process", "process_cpu_ns", &Cost::process_cpu},
                           Kind{"time", "time_ns", &Cost::time}};

std::vector<double> values_of(const std::vector<Cost>& costs, double Cost::* member) {
  std::vector<double> values;
  values.reserve(costs.size());
  for (const Cost& cost : costs) values.push_back(cost.*member);
  return values;
}

}  // namespace

Clocks Clocks::now() {
  return {read_ns(CLOCK_THREAD_CPUTIME_ID), read_ns(CLOCK_PROCESS_CPUTIME_ID),
          read_ns(CLOCK_MONOTONIC)};
}

Cost cost_between(const Clocks& begin, const Clocks& end, std::size_t messages) {
  const auto each = [messages](std::int64_t from, std::int64_t to) {
    return static_cast<double>(to - from) / static_cast<double>(messages);
  };
  return {each(begin.thread_cpu_ns, end.thread_cpu_ns),
          each(begin.process_cpu_ns, end.process_cpu_ns), each(begin.steady_ns, end.steady_ns)};
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

Rounds::Rounds(std::vector<std::string> contestants) {
  for (std::string& name : contestants) contestants_.emplace_back(std::move(name), 0);
}

std::string Rounds::text() const {
  std::string lines;
  for (const Kind& kind : kinds) {
    const std::vector<double> first = values_of(contestants_.front().second, kind.member);
    if (std::ranges::all_of(first, [](double value) { return value == 0; })) continue;
    lines += fmt::format("{}, ns per message\n", kind.name);
    for (const auto& [name, costs] : contestants_) {
      const std::vector<double> values = values_of(costs, kind.member);
      lines += fmt::format("  {:<28} {:>9.1f}", name, median(values));
      if (&costs != &contestants_.front().second) {
        std::vector<double> more(values.size());
        std::ranges::transform(values, first, more.begin(), std::minus{});
        lines += fmt::format("  {:+.1f}", median(more));
      }
      lines += "\n";
    }
  }
  return lines;
}

std::string Rounds::json() const {
  std::string text = "{";
  for (const auto& [name, costs] : contestants_) {
    text += fmt::format("{}\"{}\":{{", text.size() > 1 ? "," : "", name);
    for (const Kind& kind : kinds) {
      text += fmt::format("{}\"{}\":[{:.2f}]", &kind == kinds.data() ? "" : ",", kind.key,
                          fmt::join(values_of(costs, kind.member), ","));
    }
    text += "}";
  }
  return text + "}";
}
