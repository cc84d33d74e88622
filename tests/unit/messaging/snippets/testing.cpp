// The programs of docs/testing.md, and that of the guide's section about tests. Compiled, not run.
#include <dohle/codec/json.hpp>
#include <dohle/kafka.hpp>
#include <dohle/testing.hpp>

#include <cassert>
#include <chrono>
#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace kafka = dohle::kafka;

struct Order {
  std::string item;
  int count = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, item, count)
};

void bill(const Order&) {}
struct Shop {
  static Shop connect_to(const std::string&) { return {}; }
  ~Shop() {}
};

void test_retries() {
  auto environment = dohle::testing::Environment::start().value();
  auto broker = environment.connect().value();
  int attempts = 0;
  auto subscriber = broker.subscribe<Order>(
      "orders",
      [&](const Order& order) -> dohle::Result<void> {
        if (++attempts < 4)
          return dohle::fail(dohle::Error::client(dohle::Errc::handler_failed, "no water"));
        bill(order);
        return {};
      },
      {.group_id = "under test"});
  broker.publish("orders", Order{"tea", 2}).value();
  environment.advance(5s).value();
  environment.wait_handled("under test").value();
}

void test_one_message() {
  auto environment = dohle::testing::Environment::start().value();
  auto broker = environment.connect().value();

  std::vector<std::string> billed;
  auto subscriber =
      broker
          .subscribe<Order>("orders", [&](const Order& order) { billed.push_back(order.item); },
                            {.group_id = "billing"})
          .value();
  broker.publish("orders", Order{"tea", 2}).value();
  environment.wait_handled(subscriber).value();
  assert(billed == std::vector<std::string>{"tea"});
}

void test_a_program() {
  auto environment = dohle::testing::Environment::start({.partitions = 3}).value();
  auto shop = Shop::connect_to(environment.address());
  auto broker = environment.connect().value();
  broker.publish("orders", Order{"tea", 2}).value();
  environment.wait_handled("billing").value();
}

void test_faults(dohle::testing::Environment& environment, dohle::Broker& broker) {
  environment.fail_next_produce(19, {.count = 2, .topic = "orders"}).value();
  const auto sent = broker.publish("orders", Order{"tea", 2}, {.async = false});
  assert(sent && environment.faults_left() == 0);

  environment.refuse_connections().value();
  environment.drop_connections().value();
  auto late = broker.publish("orders", Order{"coffee", 1}).value();
  environment.advance(3min).value();
  assert(!late.wait(1s));
  environment.clear_faults().value();
}
