// The only error: dohle: subscribe: the handler of subscribe<T> takes an Event<T>, a T, or a T and
// a RawEvent, and returns void or Result<void>
#include <string>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"

struct Order {
  std::string customer;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, customer)
};
struct WithoutCodec {};

void use(dohle::Broker& broker) {
  (void)broker.subscribe<Order>("orders", [](int) {});
}
