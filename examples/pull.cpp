// A subscription without a handler: the program asks for each message, as with kafka-go's
// ReadMessage. Two threads take messages; each message is acknowledged when its thread asks for the
// next, and a failed one is handed out again. Callbacks report which partitions are read, and that
// no message has arrived for a while.
//
// It prints:
//
//   assigned 2 partitions
//   none within 10 ms
//   counted 100 birds, one of them twice
//   idle
//   revoked 2 partitions
//   committed 100
#include <atomic>
#include <chrono>
#include <future>
#include <iostream>
#include <span>
#include <string>
#include <thread>

#include <dohle/client.hpp>
#include <dohle/kafka.hpp>

#include "checked.hpp"

namespace kafka = dohle::kafka;
using namespace std::chrono_literals;

namespace {

constexpr int birds = 100;

/// Takes messages until all are counted.
void count(dohle::PullSubscriber<std::string>& reader, std::atomic<int>& counted) {
  while (counted < birds) {
    auto bird = checked(reader.next(10ms));
    if (!bird) continue;
    if (bird->value() == "bird 7" && bird->attempt() == 1) {
      check(bird->nack());
      continue;
    }
    // The last messages of a thread are acknowledged by hand, since it asks for no more.
    check(bird->ack());
    ++counted;
  }
}

}  // namespace

int main() {
  auto broker = checked(kafka::new_broker(dohle::with_address("embedded:memory")));
  check(broker.connect());
  check(kafka::create_topic(broker, "birds", 2, 1));

  std::promise<void> idle;
  const auto tell = [](const std::string& what) {
    return [what](std::span<const dohle::TopicPartition> partitions) {
      std::cout << what << ' ' << partitions.size() << " partitions\n";
    };
  };
  auto reader = checked(broker.subscribe_pull<std::string>(
      "birds", dohle::with_group_id("counters"), dohle::with_subscribe_retry(3, 1ms),
      kafka::with_on_assigned(tell("assigned")), kafka::with_on_revoked(tell("revoked"))));
  check(reader.wait_ready(30s));
  if (!checked(reader.next(10ms))) std::cout << "none within 10 ms\n";

  for (int i = 0; i < birds; ++i) checked(broker.publish("birds", "bird " + std::to_string(i)));
  checked(broker.flush());
  std::atomic<int> counted{0};
  std::thread other([&] { count(reader, counted); });
  count(reader, counted);
  other.join();
  std::cout << "counted " << counted << " birds, one of them twice\n";

  auto watch = checked(
      broker.subscribe_pull("birds", dohle::with_on_idle([&idle] { idle.set_value(); }, 10ms)));
  idle.get_future().wait();
  std::cout << "idle\n";
  check(watch.unsubscribe());
  check(reader.unsubscribe());

  auto client = checked(broker.client());
  std::int64_t committed = 0;
  for (const auto& each : checked(client.admin().group_offsets("counters"))) {
    committed += each.offset.value;
  }
  std::cout << "committed " << committed << '\n';
  checked(broker.disconnect());
  return 0;
}
