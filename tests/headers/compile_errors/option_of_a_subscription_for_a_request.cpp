// The only error: dohle: request: the arguments after the value have to be a timeout, a stop
// token and options of a request: with_* functions that set a member of RequestOptions or
// PublishOptions
#include <string>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"

struct Order {
  std::string customer;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, customer)
};
struct WithoutCodec {};

void use(dohle::Broker& broker) {
  (void)broker.request<Order>("orders", Order(), dohle::with_concurrency(4));
}
