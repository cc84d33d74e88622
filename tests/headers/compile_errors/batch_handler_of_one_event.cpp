// The only error: dohle: subscribe_batch: the handler of subscribe_batch<T> takes a
// std::span<Event<T>> and returns void or Result<void>
#include <string>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"

struct Order {
  std::string customer;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, customer)
};
struct WithoutCodec {};

void use(dohle::Broker& broker) {
  (void)broker.subscribe_batch<Order>("orders", [](const Order&) {}, {.group_id = "g"});
}
