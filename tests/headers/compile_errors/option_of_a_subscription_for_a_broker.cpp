// The only error: dohle: new_broker takes BrokerOptions, or options of a broker: with_* functions
// that set a member of BrokerOptions
#include <string>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"

struct Order {
  std::string customer;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, customer)
};
struct WithoutCodec {};

void use(dohle::Broker& broker) {
  (void)broker;
  (void)dohle::kafka::new_broker(dohle::with_concurrency(4));
}
