// A service: a Server with two subscribers, which stops when its work is done. Stopping waits for
// the running handlers and commits what was acknowledged. The node is inside the program, in
// memory.
//
// It prints:
//
//   order: tea
//   order: coffee
//   invoice for tea
//   running: true, ready: true
//   stopped: true
#include <condition_variable>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <string>

#include <dohle/kafka.hpp>
#include <dohle/server.hpp>

namespace kafka = dohle::kafka;

namespace {

/// Ends the program with the error's message.
void check(const dohle::Result<void>& result) {
  if (result) return;
  std::cerr << result.error().to_string() << '\n';
  std::exit(1);
}

/// Counts down, and lets main wait for the end.
class Countdown {
 public:
  explicit Countdown(int left) : left_(left) {}
  void down() {
    const std::lock_guard lock(mutex_);
    if (--left_ == 0) ended_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return left_ <= 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  int left_;
};

}  // namespace

int main() {
  // A service under systemd or Kubernetes sets .signals = {SIGINT, SIGTERM} and calls run().
  dohle::ServerOptions options;
  options.broker.addresses = {"embedded:memory"};
  options.broker.group_id = "shop";
  dohle::Server server(std::move(options));

  Countdown orders(2);
  Countdown invoices(1);
  check(server.register_subscriber<std::string>(
      "orders",
      [&](std::string order) {
        std::cout << "order: " << order << '\n';
        orders.down();
      },
      kafka::with_subscribe_auto_create_topic("orders", 1, 1)));
  check(server.start());

  for (const char* order : {"tea", "coffee"}) {
    if (auto sent = server.broker()->publish("orders", order); !sent)
      check(dohle::fail(sent.error()));
  }
  orders.wait();

  // Registered while the server runs.
  check(server.register_subscriber<std::string>(
      "invoices",
      [&](std::string item) {
        std::cout << "invoice for " << item << '\n';
        invoices.down();
      },
      kafka::with_subscribe_auto_create_topic("invoices", 1, 1)));
  if (auto sent = server.broker()->publish("invoices", "tea"); !sent)
    check(dohle::fail(sent.error()));
  invoices.wait();

  const dohle::ServerHealth health = server.health();
  std::cout << std::boolalpha << "running: " << (health.state == dohle::ServerState::running)
            << ", ready: " << health.is_ready() << '\n';
  std::cout << "stopped: " << server.stop().has_value() << '\n';
  return 0;
}
