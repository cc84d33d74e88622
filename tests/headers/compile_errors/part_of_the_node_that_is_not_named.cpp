// The only error: dohle: Parts::get: this part of the node is not named: add it to the arguments
// of the Parts, so that a reader sees that it is used
#include "node/serve/node_parts.hpp"

const dohle::node::Users& use(const dohle::node::NodeParts& all) {
  const dohle::node::Parts<dohle::node::Dispatcher, dohle::node::Storage> node = all;
  return node.get<dohle::node::Users>();
}
