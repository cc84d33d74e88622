// Two brokers in one process: each has its own servers, login and options. The program forwards
// every message of a topic from one node to another, with its key, headers and timestamp.
//
// It prints:
//
//   forwarded: jackdaw, key tower, from field station
#include <iostream>
#include <semaphore>
#include <string>

#include <dohle/kafka.hpp>

namespace kafka = dohle::kafka;

int main() {
  auto field = kafka::new_broker(dohle::with_address("embedded:memory/field")).value();
  auto archive = kafka::new_broker(dohle::with_address("embedded:memory/archive")).value();
  for (dohle::Broker* each : {&field, &archive}) {
    each->connect().value();
    kafka::create_topic(*each, "sightings", 1, 1).value();
  }

  // A synchronous publish returns once the copy is stored. Then the original is acknowledged.
  auto forwarder = field
                       .subscribe(
                           "sightings",
                           [&](dohle::RawEvent event) -> dohle::Result<void> {
                             auto copy = event.message().with_partition({});
                             auto sent =
                                 archive.publish("sightings", std::move(copy), {.async = false});
                             if (!sent) return dohle::fail(sent.error());
                             return {};
                           },
                           dohle::with_queue_name("forwarder"))
                       .value();

  std::binary_semaphore received{0};
  auto reader = archive
                    .subscribe(
                        "sightings",
                        [&](dohle::RawEvent event) {
                          std::cout << "forwarded: " << event.body().value_or("") << ", key "
                                    << event.key().value_or("") << ", from "
                                    << event.header("source").value_or("") << '\n';
                          received.release();
                        },
                        dohle::with_queue_name("readers"))
                    .value();
  field
      .publish("sightings",
               dohle::Message("jackdaw").with_key("tower").with_header("source", "field station"))
      .value();
  received.acquire();
  return 0;
}
