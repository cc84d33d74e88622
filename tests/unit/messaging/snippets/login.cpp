#include <dohle/kafka.hpp>

#include <cstdlib>
#include <iostream>

int main() {
  const char* password = std::getenv("ALICE_PASSWORD");
  auto broker = dohle::kafka::new_broker(
      dohle::with_address("127.0.0.1:9093"), dohle::with_tls({.trust = {.ca_file = "ca.pem"}}),
      dohle::kafka::with_scram_mechanism(dohle::kafka::ScramAlgorithm::sha512, "alice",
                                         password != nullptr ? password : ""));
  if (!broker) {
    std::cerr << broker.error().message() << '\n';
    return 1;
  }
  // A wrong password fails here, at once, with the server's words.
  if (const auto connected = broker->connect(); !connected) {
    std::cerr << connected.error().message() << '\n';
    return 1;
  }
  return 0;
}
