// The only error: dohle: reply: the handler of reply<Request> takes a Request, or a Request and a
// const RawEvent&, and returns the reply or a Result of it; the reply is a Message or has a
// dohle::Codec that encodes
#include <string>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"

struct Order {
  std::string customer;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, customer)
};
struct WithoutCodec {};

void use(dohle::Broker& broker) {
  (void)broker.reply<Order>("orders", [](const Order&) {}, dohle::with_group_id("g"));
}
