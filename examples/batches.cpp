// A handler takes batches: 5 messages, or fewer once the first one has waited for 50 ms. It refuses
// one message of the first batch, which is then handed out again before the later ones.
//
// It prints:
//
//   batch: 1 2 3 4 5
//   batch: 3 6 7 8
//   committed 8
#include <iostream>
#include <semaphore>
#include <span>
#include <string>

#include <dohle/client.hpp>
#include <dohle/kafka.hpp>

namespace kafka = dohle::kafka;
using namespace std::chrono_literals;

int main() {
  auto broker = kafka::new_broker(dohle::with_address("embedded:memory")).value();
  broker.connect().value();
  kafka::create_topic(broker, "readings", 1, 1).value();
  for (int i = 1; i <= 8; ++i) broker.publish("readings", std::to_string(i)).value();
  broker.flush().value();

  std::counting_semaphore handled{0};
  auto subscriber = broker
                        .subscribe_batch<std::string>(
                            "readings",
                            [&](std::span<dohle::Event<std::string>> batch) {
                              std::cout << "batch:";
                              for (auto& reading : batch) {
                                std::cout << ' ' << *reading;
                                const bool is_refused = *reading == "3" && reading.attempt() == 1;
                                if (is_refused) reading.nack().value();
                              }
                              std::cout << '\n';
                              // Success acknowledges the others.
                              handled.release();
                            },
                            {.group_id = "summary", .batch_size = 5, .batch_interval = 50ms})
                        .value();
  for (int i = 0; i < 2; ++i) handled.acquire();
  subscriber.unsubscribe().value();
  auto client = broker.client().value();
  std::cout << "committed " << client.admin().group_offsets("summary").value().front().offset.value
            << '\n';
  return 0;
}
