// The only error: dohle: subscribe: the arguments after the handler have to be options of a
// subscription: with_* functions that set a member of SubscribeOptions
#include <string>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"

struct Order {
  std::string customer;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, customer)
};
struct WithoutCodec {};

void use(dohle::Broker& broker) {
  (void)broker.subscribe<Order>("orders", [](const Order&) {}, dohle::with_publish_async(true));
}
