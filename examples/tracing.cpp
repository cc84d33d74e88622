// A tracer gives spans to an exporter of the program's own, which prints them.
// dohle::OtlpExporter (dohle/otlp.hpp) would send them to a collector. A handler forwards each
// message, so both messages belong to one trace. The node is inside the program, in memory.
//
// It prints:
//
//   send orders: begins a trace
//   process orders: child of send orders
//   send bills: child of process orders
#include <algorithm>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <dohle/kafka.hpp>
#include <dohle/tracer.hpp>

#include "checked.hpp"

namespace kafka = dohle::kafka;

namespace {

/// Keeps spans until the end.
class Kept final : public dohle::SpanExporter {
 public:
  void take(dohle::FinishedSpan span) override {
    const std::lock_guard lock(mutex_);
    spans_.push_back(std::move(span));
  }
  void print(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const auto span = std::ranges::find(spans_, name, &dohle::FinishedSpan::name);
    if (span == spans_.end()) return;
    const auto parent = std::ranges::find_if(
        spans_, [&](const auto& each) { return each.context.span_id == span->parent; });
    std::cout << name << ": "
              << (parent == spans_.end() ? "begins a trace" : "child of " + parent->name) << '\n';
  }

 private:
  std::mutex mutex_;
  std::vector<dohle::FinishedSpan> spans_;
};

}  // namespace

int main() {
  const auto kept = std::make_shared<Kept>();
  const auto tracer =
      checked(dohle::make_tracer({.resource = {.service_name = "kitchen"}, .exporter = kept}));
  auto broker = checked(
      kafka::new_broker(dohle::with_address("embedded:memory"), dohle::with_tracer(tracer)));
  check(broker.connect());
  for (const char* topic : {"orders", "bills"}) check(kafka::create_topic(broker, topic, 1, 1));

  std::promise<void> forwarded;
  auto reader = checked(broker.subscribe(
      "orders",
      [&](dohle::RawEvent event) -> dohle::Result<void> {
        auto sent = broker.publish("bills", event.message());
        if (!sent) return dohle::fail(sent.error());
        forwarded.set_value();
        return {};
      },
      dohle::with_group_id("kitchen")));
  checked(broker.publish("orders", "tea"));
  forwarded.get_future().wait();
  // After this every span has ended.
  checked(broker.disconnect());
  for (const char* span : {"send orders", "process orders", "send bills"}) kept->print(span);
  return 0;
}
