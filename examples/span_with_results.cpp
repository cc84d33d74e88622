// A span of messages is published together, with a result for each: a failed message does not hide
// the stored ones. The node is inside the program.
//
// It prints:
//
//   tea: stored at offset 0
//   a menu of 3 MB: too large
//   coffee: there is no partition 9
//   water: stored at offset 1
#include <iostream>
#include <string>
#include <vector>

#include <dohle/kafka.hpp>

#include "checked.hpp"

namespace kafka = dohle::kafka;

namespace {

void print(const std::string& what, const dohle::Result<dohle::Delivery>& result) {
  std::cout << what << ": ";
  if (result) {
    std::cout << "stored at offset " << checked(result->get()).offset.value << '\n';
  } else if (result.error().is(dohle::Errc::too_large)) {
    std::cout << "too large\n";
  } else if (result.error().is(dohle::Errc::no_such_partition)) {
    std::cout << "there is no partition 9\n";
  } else {
    std::cout << result.error().to_string() << '\n';
  }
}

}  // namespace

int main() {
  auto broker = checked(kafka::new_broker(dohle::with_address("embedded:memory")));
  check(broker.connect());
  check(kafka::create_topic(broker, "orders", 1, 1));

  const std::vector<dohle::Message> orders = {
      dohle::Message("tea"),
      dohle::Message(std::string(3'000'000, 'x')),
      dohle::Message("coffee").with_partition(dohle::PartitionId{9}),
      dohle::Message("water"),
  };
  // All messages are sent before the call waits for the first one.
  const auto results = broker.publish("orders", orders, dohle::with_publish_async(false));

  print("tea", results[0]);
  print("a menu of 3 MB", results[1]);
  print("coffee", results[2]);
  print("water", results[3]);
  return 0;
}
