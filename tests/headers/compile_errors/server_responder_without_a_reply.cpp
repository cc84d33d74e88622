// The only error: dohle: register_responder: the handler takes a Request, or a Request and a
// const RawEvent&, and returns the reply or a Result of it; the reply is a Message or has a
// dohle::Codec that encodes
#include <string>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"
#include "dohle/server.hpp"

struct Order {
  std::string customer;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, customer)
};

void use(dohle::Server& server) {
  (void)server.register_responder<Order>("orders", [](const Order&) {}, {.group_id = "g"});
}
