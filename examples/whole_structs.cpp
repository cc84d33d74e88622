// Whole structs in place of single options: a WriterConfig and a ReaderConfig, as in kafka-go. Only
// fields with a value apply, in the order of the options. The node is inside the program.
//
// It prints:
//
//   batches of 500 messages, which wait 10 ms for more
//   read from the first on: tea
//   refused: reader_config.group_topics is a,b; subscribe takes several topics: give them to it
#include <chrono>
#include <future>
#include <iostream>
#include <string>
#include <vector>

#include <dohle/kafka.hpp>

#include "checked.hpp"

using namespace std::chrono_literals;
namespace kafka = dohle::kafka;

int main() {
  auto broker = checked(kafka::new_broker(
      dohle::with_address("embedded:memory"),
      kafka::with_writer_config({.batch_size = 500, .required_acks = dohle::Acks::all}),
      kafka::with_reader_config({.group_id = "kitchen", .session_timeout = 10s})));
  std::cout << "batches of " << broker.options().batch_size << " messages, which wait "
            << broker.options().batch_timeout.count() << " ms for more\n";
  check(broker.connect());
  check(kafka::create_topic(broker, "orders", 1, 1));
  checked(broker.publish("orders", "tea"));

  std::promise<std::string> first;
  const auto reading = checked(broker.subscribe<std::string>(
      "orders", [&](const std::string& order) { first.set_value(order); },
      kafka::with_reader_config({.start_offset = dohle::StartOffset::first()})));
  std::cout << "read from the first on: " << first.get_future().get() << '\n';

  // A field without a counterpart in Dohle is refused with the reason.
  const auto refused = kafka::new_broker(
      kafka::with_reader_config({.group_topics = std::vector<std::string>{"a", "b"}}));
  if (!refused) std::cout << "refused: " << refused.error().message() << '\n';
  return 0;
}
