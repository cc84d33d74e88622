// The only error: ignoring return
#include <chrono>

#include "dohle/client.hpp"

void use(dohle::Client& client) {
  client.connect(std::chrono::seconds(1));
}
