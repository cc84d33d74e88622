// Messages are values of a type, encoded as JSON by nlohmann-json's macro. A body that is not JSON
// of this type is reported as a failure of its own kind, and later messages are handled.
//
// It prints:
//
//   2 x tea
//   cannot be decoded: yes
//   1 x coffee
#include <iostream>
#include <mutex>
#include <semaphore>
#include <string>

#include <dohle/codec/json.hpp>
#include <dohle/kafka.hpp>

namespace kafka = dohle::kafka;

struct Order {
  std::string item;
  int count = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, item, count)
};

int main() {
  auto print_failure = [](const dohle::Failure& failure) {
    if (failure.kind != dohle::Failure::Kind::decode) return;
    std::cout << "cannot be decoded: yes\n";
  };
  auto broker = kafka::new_broker({.addresses = {"embedded:memory"},
                                   .failure_policy = dohle::FailurePolicy::skip,
                                   .error_handler = print_failure})
                    .value();
  broker.connect().value();
  kafka::create_topic(broker, "orders", 1, 1).value();

  std::counting_semaphore handled{0};
  auto subscriber = broker
                        .subscribe<Order>("orders",
                                          [&](const Order& order) {
                                            std::cout << order.count << " x " << order.item << '\n';
                                            handled.release();
                                          },
                                          {.group_id = "kitchen"})
                        .value();
  broker.publish("orders", Order{"tea", 2}).value();
  broker.publish("orders", "{\"item\": 7").value();
  broker.publish("orders", Order{"coffee", 1}).value();
  handled.acquire();
  handled.acquire();
  return 0;
}
