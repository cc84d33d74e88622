// Publishes and handles messages with a tracer that sends its spans to a collector.
//   otlp_spans ENDPOINT
// Prints "exported dropped failed-requests".
#include <future>
#include <iostream>
#include <memory>
#include <string>

#include "checked.hpp"
#include "dohle/kafka.hpp"
#include "dohle/otlp.hpp"
#include "dohle/tracer.hpp"

int main(int count, char** arguments) {
  if (count != 2) return 2;
  const auto exporter =
      checked(dohle::OtlpExporter::create({.endpoint = arguments[1],
                                           .headers = {{"authorization", "Bearer of the test"}},
                                           .batch_delay = std::chrono::milliseconds(10),
                                           .retry_backoff = std::chrono::milliseconds(10),
                                           .logger = dohle::silent_logger()}));
  const auto tracer = checked(dohle::make_tracer({.resource = {.service_name = "birds",
                                                               .service_instance_id = "nest-1",
                                                               .service_version = "2.0",
                                                               .attributes = {{"region", "north"}}},
                                                  .exporter = exporter}));
  auto broker = checked(dohle::kafka::new_broker(dohle::with_address("embedded:memory"),
                                                 dohle::kafka::with_client_id("otlp"),
                                                 dohle::with_tracer(tracer)));
  check(broker.connect());
  check(dohle::kafka::create_topic(broker, "t", 1, 1));
  std::promise<void> handled;
  auto reader = checked(broker.subscribe(
      "t", [&](dohle::RawEvent) { handled.set_value(); },
      dohle::SubscribeOptions{.group_id = "g"}));
  checked(
      broker.publish("t", dohle::Message("text").with_key("k"), dohle::with_publish_async(false)));
  handled.get_future().wait();
  check(reader.unsubscribe());
  if (broker.publish("missing", "text")) return 1;
  checked(broker.disconnect());
  check(exporter->close(std::chrono::seconds(30)));
  const dohle::OtlpCounts counts = exporter->counts();
  std::cout << counts.exported << ' ' << counts.dropped << ' ' << counts.failed_requests << '\n';
  return 0;
}
