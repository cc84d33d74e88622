// Several topics in one subscription: by their names, and by a pattern, which also finds topics
// that are created while the subscription runs. Retry topics and dead-letter topics never match.
// The node is inside the program, in memory.
//
// It prints:
//
//   alarms: fire
//   alarms: all is well, from drills
//   sensor.kitchen: 21.5
//   sensor.hall: 19.0
//   the pattern reads sensor.hall sensor.kitchen
//   no pattern: missing ]: [sensor
#include <chrono>
#include <iostream>
#include <semaphore>
#include <string>

#include <dohle/kafka.hpp>

#include "checked.hpp"

namespace kafka = dohle::kafka;
using namespace std::chrono_literals;

int main() {
  // Time between two searches for new topics. Default: 5 s.
  auto broker = checked(kafka::new_broker(
      dohle::with_address("embedded:memory"), kafka::with_partition_watch_interval(100ms),
      kafka::with_async(false), kafka::with_start_offset(dohle::StartOffset::first())));
  check(broker.connect());
  for (const char* topic : {"alarms", "drills", "sensor.kitchen", "sensor.kitchen.wall.dlt"}) {
    check(kafka::create_topic(broker, topic, 1, 1));
  }

  std::binary_semaphore handled{0};
  auto both = checked(broker.subscribe<std::string>(
      {"alarms", "drills"},
      [&](const std::string& text, const dohle::RawEvent& event) {
        std::cout << "alarms: " << text;
        if (event.topic() != "alarms") std::cout << ", from " << event.topic();
        std::cout << '\n';
        handled.release();
      },
      dohle::with_group_id("guard")));
  checked(broker.publish("alarms", "fire"));
  handled.acquire();
  checked(broker.publish("drills", "all is well"));
  handled.acquire();

  auto sensors = checked(broker.subscribe<std::string>(
      kafka::pattern("sensor\\..*"),
      [&](const std::string& degrees, const dohle::RawEvent& event) {
        std::cout << event.topic() << ": " << degrees << '\n';
        handled.release();
      },
      dohle::with_group_id("wall")));
  checked(broker.publish("sensor.kitchen", "21.5"));
  handled.acquire();
  // All of its messages are read, also those from before the subscription knows it.
  check(kafka::create_topic(broker, "sensor.hall", 1, 1));
  checked(broker.publish("sensor.hall", "19.0"));
  handled.acquire();
  std::cout << "the pattern reads";
  for (const dohle::TopicPartition& each : sensors.assignment()) std::cout << ' ' << each.topic;
  std::cout << '\n';

  const auto bad = broker.subscribe(kafka::pattern("[sensor"), [](const dohle::RawEvent&) {});
  if (!bad) {
    const std::string why(bad.error().message());
    std::cout << "no pattern: " << why.substr(why.find("missing")) << '\n';
  }
  check(sensors.unsubscribe());
  check(both.unsubscribe());
  checked(broker.disconnect());
  return 0;
}
