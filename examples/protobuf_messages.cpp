// Protobuf messages: a class that protoc generated is published and received like any other
// type. The program links libprotobuf, as the CMake target dohle::protobuf does. The node is inside
// the program, in memory.
//
// It prints:
//
//   application/x-protobuf, 18 bytes
//   Lomnice: -4.5
#include <future>
#include <iostream>

#include <dohle/codec/protobuf.hpp>
#include <dohle/kafka.hpp>

#include "checked.hpp"
#include "reading.pb.h"

namespace kafka = dohle::kafka;

int main() {
  auto broker = checked(
      kafka::new_broker(dohle::with_address("embedded:memory"), dohle::with_content_type(true)));
  check(broker.connect());
  check(kafka::create_topic(broker, "readings", 1, 1));

  std::promise<void> received;
  auto watch = checked(broker.subscribe<weather::Reading>(
      "readings",
      [&received](dohle::Event<weather::Reading> reading) {
        std::cout << reading.header("content-type").value_or("none") << ", "
                  << reading.body()->size() << " bytes\n";
        std::cout << reading->station() << ": " << reading->celsius() << '\n';
        received.set_value();
      },
      dohle::with_group_id("weather")));

  weather::Reading reading;
  reading.set_station("Lomnice");
  reading.set_celsius(-4.5);
  checked(broker.publish("readings", reading));
  received.get_future().wait();
  checked(broker.disconnect());
  return 0;
}
