// The only error: dohle: subscribe_pull: the arguments after the topic have to be options of a
// subscription: with_* functions that set a member of SubscribeOptions; only subscribe takes a
// handler
#include "dohle/kafka.hpp"

void use(dohle::Broker& broker) {
  (void)broker.subscribe_pull("orders", [](dohle::RawEvent) {}, dohle::with_group_id("g"));
}
