// The only error: dohle: register_batch_subscriber: the handler takes a
// std::span<Event<T>> and returns void or Result<void>
#include <string>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"
#include "dohle/server.hpp"

struct Order {
  std::string customer;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, customer)
};

void use(dohle::Server& server) {
  (void)server.register_batch_subscriber<Order>("orders", [](const Order&) {}, {.group_id = "g"});
}
