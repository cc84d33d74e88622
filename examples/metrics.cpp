// Metrics of a broker: a few figures of a snapshot, and lines of Prometheus' text format, as a
// program would serve them under /metrics. The node is inside the program, in memory.
//
// It prints:
//
//   acknowledged: 3
//   handled: 3
//   lag: 0
//   dohle_handled_messages_total{group="kitchen",outcome="error",topic="orders"} 0
//   dohle_handled_messages_total{group="kitchen",outcome="ok",topic="orders"} 3
#include <iostream>
#include <latch>
#include <sstream>
#include <string>

#include <dohle/kafka.hpp>

#include "checked.hpp"

namespace kafka = dohle::kafka;

int main() {
  auto broker = checked(kafka::new_broker(dohle::with_address("embedded:memory")));
  check(broker.connect());
  check(kafka::create_topic(broker, "orders", 1, 1));

  std::latch handled(3);
  auto reader = checked(broker.subscribe(
      "orders", [&](dohle::RawEvent) { handled.count_down(); }, dohle::with_group_id("kitchen")));
  for (const char* order : {"tea", "coffee", "cake"}) checked(broker.publish("orders", order));
  handled.wait();
  check(reader.unsubscribe());
  checked(broker.flush());

  const dohle::MetricsSnapshot metrics = broker.metrics();
  const auto sum = [&](std::string_view name) { return metrics.value(name).value_or(0); };
  std::cout << "acknowledged: " << sum("dohle_producer_acknowledged_records_total") << '\n'
            << "handled: " << sum("dohle_handled_messages_total") << '\n'
            << "lag: " << sum("dohle_consumer_lag_records") << '\n';

  std::istringstream text(dohle::to_prometheus(metrics));
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("dohle_handled_messages_total")) std::cout << line << '\n';
  }
  return 0;
}
