// The only error: dohle: subscribe: the type of the messages has no dohle::Codec that decodes;
// include the header of a codec, for example dohle/codec/json.hpp, or specialise dohle::Codec
#include <string>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"

struct Order {
  std::string customer;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, customer)
};
struct WithoutCodec {};

void use(dohle::Broker& broker) {
  (void)broker.subscribe<WithoutCodec>("orders", [](const WithoutCodec&) {});
}
