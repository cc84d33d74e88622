// Manual acknowledgement, in any order and on another thread. A commit covers the messages before
// the first one that is not acknowledged.
//
// It prints:
//
//   handled: one two three
//   acknowledged three: committed 0
//   acknowledged one: committed 1
//   acknowledged two: committed 3
#include <iostream>
#include <mutex>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include <dohle/client.hpp>
#include <dohle/kafka.hpp>

namespace kafka = dohle::kafka;

namespace {

/// The offset that the group has committed; 0 if none.
std::int64_t committed(dohle::Broker& broker) {
  auto client = broker.client().value();
  const auto offsets = client.admin().group_offsets("workers").value();
  return offsets.empty() ? 0 : offsets.front().offset.value;
}

/// The same, once it is at least `offset`.
std::int64_t committed(dohle::Broker& broker, std::int64_t offset) {
  while (committed(broker) < offset) std::this_thread::yield();
  return committed(broker);
}

}  // namespace

int main() {
  auto broker = kafka::new_broker(dohle::with_address("embedded:memory")).value();
  broker.connect().value();
  kafka::create_topic(broker, "jobs", 1, 1).value();

  std::mutex mutex;
  std::vector<dohle::Event<std::string>> events;
  std::counting_semaphore handled{0};
  auto subscriber = broker
                        .subscribe<std::string>("jobs",
                                                [&](dohle::Event<std::string> event) {
                                                  const std::lock_guard lock(mutex);
                                                  events.push_back(std::move(event));
                                                  handled.release();
                                                },
                                                {.group_id = "workers", .auto_ack = false})
                        .value();
  for (const char* job : {"one", "two", "three"}) broker.publish("jobs", job).value();
  for (int i = 0; i < 3; ++i) handled.acquire();

  const std::lock_guard lock(mutex);
  std::cout << "handled:";
  for (const auto& event : events) std::cout << ' ' << *event;
  std::cout << '\n';
  events[2].ack().value();
  std::cout << "acknowledged three: committed " << committed(broker) << '\n';
  events[0].ack().value();
  std::cout << "acknowledged one: committed " << committed(broker, 1) << '\n';
  events[1].ack().value();
  std::cout << "acknowledged two: committed " << committed(broker, 3) << '\n';
  return 0;
}
