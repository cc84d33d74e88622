// The only error: dohle: publish: the arguments after the value have to be options of a publish:
// with_* functions that set a member of PublishOptions
#include <string>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"

struct Order {
  std::string customer;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, customer)
};
struct WithoutCodec {};

void use(dohle::Broker& broker) {
  (void)broker.publish("orders", Order(), dohle::kafka::with_batch_size(5));
}
