// The only error: grup_id
//
// In braces alone, `{.grup_id = "g"}`, the compilers say that no function matches. With the name of
// the struct they name the field.
#include "dohle/kafka.hpp"

void use(dohle::Broker& broker) {
  (void)broker.subscribe("orders", [](dohle::RawEvent) {}, dohle::SubscribeOptions{.grup_id = "g"});
}
