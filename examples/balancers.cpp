// Balancers choose the partition of a message that names none. A broker has one for all of its
// messages, and each publish may have another one. The node is inside the program.
//
// It prints:
//
//   one message after the other: 0 1 2 0
//   the key "c" by crc32: 0, by murmur2: 1, by FNV-1a: 2
//   by a function: eu-7 to 0, us-7 to 1, cn-7 to 2
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

#include <dohle/kafka.hpp>

#include "checked.hpp"

namespace kafka = dohle::kafka;

namespace {

/// Orders of a region go to the partition of that region. Called on the threads that publish.
dohle::PartitionId by_region(std::string_view /*topic*/, const dohle::Record& order,
                             std::int32_t /*partitions*/) {
  const std::string_view key = order.key ? dohle::as_text(*order.key) : std::string_view();
  if (key.starts_with("eu")) return dohle::PartitionId{0};
  if (key.starts_with("us")) return dohle::PartitionId{1};
  return dohle::PartitionId{2};
}

/// Publishes an order, and returns the partition that stored it.
template <class... Options>
std::int32_t publish(dohle::Broker& broker, Options&&... options) {
  const auto sent = checked(broker.publish("orders", "tea", std::forward<Options>(options)...));
  return checked(sent.get()).partition.value;
}

}  // namespace

int main() {
  auto broker = checked(kafka::new_broker(dohle::with_address("embedded:memory"),
                                          kafka::with_round_robin_balancer()));
  check(broker.connect());
  check(kafka::create_topic(broker, "orders", 3, 1));

  std::cout << "one message after the other:";
  for (int i = 0; i < 4; ++i) std::cout << ' ' << publish(broker);
  std::cout << '\n';

  const auto key = kafka::with_message_key("c");
  std::cout << "the key \"c\" by crc32: " << publish(broker, key, kafka::with_crc32_balancer())
            << ", by murmur2: " << publish(broker, key, kafka::with_murmur2_balancer())
            << ", by FNV-1a: " << publish(broker, key, kafka::with_hash_balancer()) << '\n';

  std::cout << "by a function:";
  for (const std::string region : {"eu-7", "us-7", "cn-7"}) {
    std::cout << (region == "eu-7" ? " " : ", ") << region << " to "
              << publish(broker, kafka::with_message_key(region), kafka::with_balancer(by_region));
  }
  std::cout << '\n';
  return 0;
}
