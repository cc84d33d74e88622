// A service is a Server with two subscribers, which stops when its work is done. `stop` waits for
// the running handlers and commits the acknowledged messages. The node is inside the program, in
// memory.
//
// It prints:
//
//   order: tea
//   order: coffee
//   invoice for tea
//   running: true, ready: true, shown over HTTP: true
//   stopped: true
#include <iostream>
#include <latch>
#include <string>

#include <dohle/kafka.hpp>
#include <dohle/server.hpp>
#include <dohle/web.hpp>

#include "checked.hpp"

namespace kafka = dohle::kafka;

int main() {
  // A service under systemd or Kubernetes sets .signals = {SIGINT, SIGTERM} and calls run().
  dohle::ServerOptions options;
  options.broker.addresses = {"embedded:memory"};
  options.broker.group_id = "shop";
  // /health, /health/live, /health/ready, and the Broker's counts under /metrics.
  options.health_page = checked(dohle::web::health_page({.address = "127.0.0.1:0"}));
  dohle::Server server(std::move(options));

  std::latch orders(2);
  std::latch invoices(1);
  check(server.register_subscriber<std::string>(
      "orders",
      [&](std::string order) {
        std::cout << "order: " << order << '\n';
        orders.count_down();
      },
      kafka::with_subscribe_auto_create_topic("orders", 1, 1)));
  check(server.start());

  for (const char* order : {"tea", "coffee"}) {
    checked(server.broker()->publish("orders", order));
  }
  orders.wait();

  // Registered while the server runs.
  check(server.register_subscriber<std::string>(
      "invoices",
      [&](std::string item) {
        std::cout << "invoice for " << item << '\n';
        invoices.count_down();
      },
      kafka::with_subscribe_auto_create_topic("invoices", 1, 1)));
  checked(server.broker()->publish("invoices", "tea"));
  invoices.wait();

  const dohle::ServerHealth health = server.health();
  std::cout << std::boolalpha << "running: " << (health.state == dohle::ServerState::running)
            << ", ready: " << health.is_ready()
            << ", shown over HTTP: " << server.endpoint().starts_with("http://127.0.0.1:") << '\n';
  std::cout << "stopped: " << server.stop().has_value() << '\n';
  return 0;
}
