// The only error: dohle: init takes options of a broker: with_* functions that set a member of
// BrokerOptions
#include <string>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"

struct Order {
  std::string customer;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, customer)
};
struct WithoutCodec {};

void use(dohle::Broker& broker) {
  (void)broker.init(dohle::with_concurrency(4));
}
