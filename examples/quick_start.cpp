// The smallest program has a node inside it, a topic, a subscription and a message.
//
// It prints:
//
//   received: hello
#include <iostream>
#include <semaphore>
#include <string>

#include <dohle/kafka.hpp>

namespace kafka = dohle::kafka;

int main() {
  auto broker = kafka::new_broker(dohle::with_address("embedded:memory")).value();
  broker.connect().value();
  kafka::create_topic(broker, "greetings", 1, 1).value();

  std::binary_semaphore received{0};
  auto subscriber = broker
                        .subscribe<std::string>(
                            "greetings",
                            [&](const std::string& text) {
                              std::cout << "received: " << text << '\n';
                              received.release();
                            },
                            dohle::with_queue_name("readers"))
                        .value();
  broker.publish("greetings", "hello").value();
  received.acquire();
  return 0;
}
