// The only error: dohle: register_subscriber: the arguments after the handler have to be
// options of a subscription: with_* functions that set a member of SubscribeOptions
#include <string>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"
#include "dohle/server.hpp"

struct Order {
  std::string customer;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, customer)
};

void use(dohle::Server& server) {
  (void)server.register_subscriber<Order>(
      "orders", [](const Order&) {}, dohle::with_publish_async(true));
}
