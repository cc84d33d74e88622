// The only error: dohle: subscribe: the handler of subscribe without a type takes a RawEvent and
// returns void or Result<void>; subscribe<T> decodes the messages to a T
#include <string>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"

struct Order {
  std::string customer;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, customer)
};
struct WithoutCodec {};

void use(dohle::Broker& broker) {
  (void)broker.subscribe("orders", [](const Order&) {}, dohle::with_group_id("g"));
}
