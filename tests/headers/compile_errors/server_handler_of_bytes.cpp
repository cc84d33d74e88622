// The only error: dohle: register_subscriber: the handler of register_subscriber without a
// type takes a RawEvent and returns void or Result<void>; register_subscriber<T> decodes the
// messages to a T
#include <string>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"
#include "dohle/server.hpp"

struct Order {
  std::string customer;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, customer)
};

void use(dohle::Server& server) {
  (void)server.register_subscriber("orders", [](const Order&) {}, dohle::with_group_id("g"));
}
