// The only error: dohle: subscribe_pull: what follows the topic are options of a subscription:
// with_* functions that set a member of SubscribeOptions; a handler is for subscribe
#include "dohle/kafka.hpp"

void use(dohle::Broker& broker) {
  (void)broker.subscribe_pull("orders", [](dohle::RawEvent) {}, dohle::with_group_id("g"));
}
