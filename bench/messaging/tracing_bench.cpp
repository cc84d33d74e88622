// Measures what tracing costs a publish, against a node in this program's memory.
//   tracing_bench [--rounds 9] [--messages 50000] [--size 100]
//
// Broker::publish of bytes without a tracer; with each trace and with one in 100 recorded, and
// spans that nobody takes; and the same with spans sent over OTLP/HTTP to a sink on the loopback, a
// process of its own. The time and the CPU of the publishing thread are those of its calls, the CPU
// of the process includes the delivery. Bursts fit into the exporter's queue, and the next one
// waits for the spans, so that none is dropped.
//
// Contestants take turns, and one round more than --rounds runs first. Prints medians, the
// difference to no tracing (the median over the rounds), the exporters' own CPU, and last one line
// of JSON.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "arguments.hpp"
#include "costs.hpp"
#include "dohle/kafka.hpp"
#include "dohle/logger.hpp"
#include "dohle/otlp.hpp"
#include "span_sink.hpp"
#include "taken.hpp"

namespace {

using namespace std::chrono_literals;
using dohle::Result;

/// Below the 2,048 spans of an exporter's queue.
constexpr std::size_t burst = 1'000;
constexpr std::string_view address = "embedded:memory/tracing-bench";

std::set<std::string> threads() {
  std::set<std::string> all;
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/task")) {
    all.insert(each.path().filename());
  }
  return all;
}

/// CPU time of a thread in nanoseconds.
double cpu_of(const std::string& thread) {
  std::ifstream file("/proc/self/task/" + thread + "/schedstat");
  double ran = 0;
  if (!(file >> ran)) fail("the CPU time of thread " + thread + " cannot be read");
  return ran;
}

/// An exporter of OTLP, and the one thread that it has.
class Exporter {
 public:
  explicit Exporter(const std::string& endpoint) {
    const std::set<std::string> before = threads();
    exporter_ = take(dohle::OtlpExporter::create({.endpoint = endpoint}), "exporter");
    const std::set<std::string> after = threads();
    std::vector<std::string> made;
    std::ranges::set_difference(after, before, std::back_inserter(made));
    if (made.size() != 1) fail("the exporter did not start one thread");
    thread_ = made.front();
  }

  [[nodiscard]] const std::shared_ptr<dohle::OtlpExporter>& shared() const { return exporter_; }
  void flush() { take(exporter_->flush(10s), "flush of the exporter"); }
  [[nodiscard]] double cpu_ns() const { return cpu_of(thread_); }
  [[nodiscard]] std::uint64_t exported() const {
    const dohle::OtlpCounts counts = exporter_->counts();
    if (counts.dropped > 0) fail(fmt::format("{} spans were dropped", counts.dropped));
    return counts.exported;
  }

 private:
  std::shared_ptr<dohle::OtlpExporter> exporter_;
  std::string thread_;
};

class NoExporter final : public dohle::SpanExporter {
 public:
  void take(dohle::FinishedSpan /*span*/) override {}
};

class Contestant {
 public:
  Contestant(std::string name_, double share_, dohle::Broker broker_,
             std::unique_ptr<Exporter> exporter_)
      : name(std::move(name_)),
        share(share_),
        broker(std::move(broker_)),
        exporter(std::move(exporter_)) {}

  std::string name;
  /// Of the traces that are recorded.
  double share;
  dohle::Broker broker;
  std::unique_ptr<Exporter> exporter;
  std::vector<double> exporter_ns_per_span = {};

  void flush() {
    if (take(broker.flush(60s), "flush").failed > 0) fail("messages were not stored");
  }
  /// Sends the spans that wait, if the next burst may not fit behind them.
  void make_room(std::size_t messages) {
    if (!exporter) return;
    unsent_ += static_cast<double>(messages) * share;
    if (unsent_ >= burst) flush_spans();
  }
  void flush_spans() {
    if (exporter) exporter->flush();
    unsent_ = 0;
  }

 private:
  /// About the number of spans since the last flush.
  double unsent_ = 0;
};

/// A share of 0 is no tracing. Without an exporter nobody takes the spans.
Contestant make_contestant(std::string name, double share,
                           std::unique_ptr<Exporter> exporter = nullptr) {
  // The logger leaves out the warnings about topics that the program deletes.
  dohle::kafka::BrokerOptions options{.addresses = {std::string(address)},
                                      .logger = dohle::stderr_logger(dohle::LogLevel::error)};
  if (share > 0) {
    dohle::TracerOptions tracing{
        .sampler = dohle::Sampler::parent_based(dohle::Sampler::ratio(share)),
        .resource = {.service_name = "tracing_bench"}};
    tracing.exporter = exporter ? std::shared_ptr<dohle::SpanExporter>(exporter->shared())
                                : std::make_shared<NoExporter>();
    options.tracer = take(dohle::make_tracer(std::move(tracing)), "tracer");
  }
  auto broker = take(dohle::kafka::new_broker(std::move(options)), "broker");
  take(broker.connect(), "connect");
  return {std::move(name), share, std::move(broker), std::move(exporter)};
}

Cost publish(Contestant& by, const std::string& topic, std::size_t messages, std::size_t size) {
  const std::string value(size, 'x');
  const auto send = [&] {
    auto sent = by.broker.publish(topic, std::string_view(value));
    if (!sent) fail(sent.error().to_string());
  };
  send();
  by.flush();
  by.flush_spans();
  const double exporter_before = by.exporter ? by.exporter->cpu_ns() : 0;
  const std::uint64_t exported_before = by.exporter ? by.exporter->exported() : 0;
  Cost sum;
  for (std::size_t left = messages; left > 0;) {
    const std::size_t count = std::min(burst, left);
    const Clocks begin = Clocks::now();
    for (std::size_t i = 0; i < count; ++i) send();
    const Clocks called = Clocks::now();
    by.flush();
    by.make_room(count);
    const Clocks delivered = Clocks::now();
    const Cost calls = cost_between(begin, called, messages);
    sum.thread_cpu += calls.thread_cpu;
    sum.time += calls.time;
    sum.process_cpu += cost_between(begin, delivered, messages).process_cpu;
    left -= count;
  }
  by.flush_spans();
  if (by.exporter) {
    const auto spans = std::max<std::uint64_t>(1, by.exporter->exported() - exported_before);
    by.exporter_ns_per_span.push_back((by.exporter->cpu_ns() - exporter_before) /
                                      static_cast<double>(spans));
  }
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, {{"rounds", "9"}, {"messages", "50000"}, {"size", "100"}});
  const SpanSink sink;
  // Before the threads of Brokers, so that each finds its own.
  auto of_all = std::make_unique<Exporter>(sink.endpoint());
  auto of_few = std::make_unique<Exporter>(sink.endpoint());
  std::vector<Contestant> contestants;
  contestants.push_back(make_contestant("no tracing", 0));
  contestants.push_back(make_contestant("1:1", 1));
  contestants.push_back(make_contestant("1:100", 0.01));
  contestants.push_back(make_contestant("1:1 over OTLP", 1, std::move(of_all)));
  contestants.push_back(make_contestant("1:100 over OTLP", 0.01, std::move(of_few)));
  std::vector<std::string> names;
  for (const Contestant& each : contestants) names.push_back(each.name);
  Rounds rounds(std::move(names));
  std::size_t topics = 0;
  rounds.measure(arguments.number("rounds"), [&](std::size_t index) {
    Contestant& by = contestants[index];
    const std::string topic = "tracing-bench-" + std::to_string(++topics);
    take(dohle::kafka::create_topic(by.broker, topic, 6, 1), "create");
    const Cost cost = publish(by, topic, arguments.number("messages"), arguments.number("size"));
    for (const auto& each : take(dohle::kafka::delete_topic(by.broker, {topic}), "delete")) {
      take(each.result, "delete");
    }
    return cost;
  });
  fmt::print("{}", rounds.text());
  std::string exporters;
  for (const Contestant& each : contestants) {
    if (!each.exporter) continue;
    const double ns = median(each.exporter_ns_per_span);
    fmt::print("CPU of the exporter's thread, {}: {:.0f} ns per span\n", each.name, ns);
    exporters += fmt::format("{}\"{}\":{:.1f}", exporters.empty() ? "" : ",", each.name, ns);
  }
  fmt::print("{{\"publish\":{},\"exporter_ns_per_span\":{{{}}}}}\n", rounds.json(), exporters);
}
