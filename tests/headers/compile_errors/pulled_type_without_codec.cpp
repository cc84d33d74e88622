// The only error: dohle: subscribe_pull: the type of the messages has no dohle::Codec that decodes;
// include the header of a codec, for example dohle/codec/json.hpp, or specialise dohle::Codec
#include "dohle/kafka.hpp"

struct WithoutCodec {};

void use(dohle::Broker& broker) {
  (void)broker.subscribe_pull<WithoutCodec>("orders");
}
