// A Writer creates producers from a WriterConfig, without a Broker. Each topic has a producer of
// its own; all share one client. The node is inside the program, in memory under a name, so that
// the broker and the writer both reach it.
//
// It prints:
//
//   orders: stored at offset 0
//   payments: stored at offset 0
//   closed; 0 records failed
//   orders: the Writer is closed
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <dohle/kafka.hpp>

#include "checked.hpp"

namespace kafka = dohle::kafka;

int main() {
  const std::string node = "embedded:memory/shop";
  auto broker = checked(kafka::new_broker(dohle::with_address(node)));
  check(broker.connect());
  for (const char* topic : {"orders", "payments"}) {
    check(kafka::create_topic(broker, topic, 1, 1));
  }

  kafka::Writer writer(true);
  checked(writer.create_producer({.brokers = std::vector{node}, .batch_size = 500}));
  for (const std::string_view topic : {"orders", "payments"}) {
    auto producer = checked(writer.producer(topic));
    const auto sent = checked(producer.send(topic, {.value = dohle::as_bytes("tea")}));
    std::cout << topic << ": stored at offset " << checked(sent.get()).offset.value << '\n';
  }

  std::cout << "closed; " << checked(writer.close()).failed << " records failed\n";
  if (const auto late = writer.producer("orders"); !late) {
    std::cout << "orders: " << late.error().message() << '\n';
  }
  return 0;
}
