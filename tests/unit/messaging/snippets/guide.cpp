// The programs of docs/guide.md. Compiled, not run.
#include <dohle/codec/json.hpp>
#include <dohle/kafka.hpp>
#include <dohle/server.hpp>

#include <csignal>
#include <cstdio>
#include <mutex>
#include <semaphore>
#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace kafka = dohle::kafka;

struct Order {
  std::string item;
  int count = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, item, count)
};

struct Price {
  int cents = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Price, cents)
};

void bill(const Order&) {}
bool is_known(const std::string&) {
  return true;
}

dohle::Result<dohle::Broker> connect(const std::string& address) {
  auto broker = kafka::new_broker({.addresses = {address}, .group_id = "billing"});
  if (!broker) return dohle::fail(broker.error());
  if (auto connected = broker->connect(10s); !connected) return dohle::fail(connected.error());
  return broker;
}

void publish_one(dohle::Broker& broker) {
  auto sent = broker.publish("orders", Order{"tea", 2}, {.key = "customer 7"});
  if (!sent) {
    std::fprintf(stderr, "%s\n", sent.error().to_string().c_str());
    return;
  }
  const auto receipt = sent->get();
  if (receipt)
    std::printf("stored at offset %lld\n", static_cast<long long>(receipt->offset.value));
}

void publish_many(dohle::Broker& broker, const std::vector<Order>& orders) {
  for (const Order& order : orders) {
    if (auto sent = broker.publish("orders", order); !sent) break;
  }
  const auto report = broker.flush(30s);
  if (report && report->failed > 0)
    std::printf("%zu were not stored\n", std::size_t{report->failed});
}

void subscribe(dohle::Broker& broker) {
  auto subscriber = broker.subscribe<Order>("orders", [](const Order& order) { bill(order); });
  if (!subscriber) return;
  if (auto ready = subscriber->wait_ready(10s); !ready) return;
}

void subscribe_to_several(dohle::Broker& broker) {
  auto both =
      broker.subscribe<Order>({"orders", "offers"}, [](const Order& order) { bill(order); });
  auto all = broker.subscribe<Order>(kafka::pattern("orders\\..*"), [](dohle::Event<Order> order) {
    std::printf("%s from %s\n", order->item.c_str(), std::string(order.topic()).c_str());
  });
}

void handle_failures(dohle::Broker& broker) {
  auto subscriber = broker.subscribe<Order>(
      "orders",
      [](const dohle::Event<Order>& event) -> dohle::Result<void> {
        if (!event.has_value()) return {};
        if (!is_known(event->item)) {
          const std::string why = "no such item: " + event->item;
          return dohle::fail(
              dohle::permanent(dohle::Error::client(dohle::Errc::handler_failed, why)));
        }
        bill(*event);
        return {};
      },
      {.max_retries = 5,
       .retry_topics = {10s, 10min},
       .failure_policy = dohle::FailurePolicy::dead_letter});
  if (!subscriber) return;
  for (const dohle::HeldMessage& held : subscriber->held()) {
    std::printf("%s\n", held.reason.to_string().c_str());
  }
}

void price(dohle::Broker& broker) {
  auto responder =
      broker.reply<Order>("prices", [](const Order& order) { return Price{2 * order.count}; });
  if (!responder) return;
  const auto price = broker.request<Price>("prices", Order{"tea", 2}, 2s);
  if (price) std::printf("%d\n", price->cents);
}

void decide(const dohle::Error& error) {
  if (error.needs_restart()) {
    std::puts("make the object anew");
  } else if (error.is_fatal()) {
    std::puts("give up");
  } else if (error.is_retriable()) {
    std::puts("try again");
  }
}

int main() {
  dohle::ServerOptions options;
  options.broker.addresses = {"127.0.0.1:9092"};
  options.broker.group_id = "billing";
  options.signals = {SIGINT, SIGTERM};
  dohle::Server server(std::move(options));

  auto registered =
      server.register_subscriber<Order>("orders", [](const Order& order) { bill(order); });
  if (!registered) return 1;
  const auto ended = server.run();
  if (!ended) std::fprintf(stderr, "%s\n", ended.error().to_string().c_str());
  return ended ? 0 : 1;
}

void test_a_handler() {
  auto broker = kafka::new_broker(dohle::with_address("embedded:memory")).value();
  broker.connect().value();
  kafka::create_topic(broker, "orders", 1, 1).value();

  std::counting_semaphore handled{0};
  auto subscriber = broker.subscribe<Order>("orders",
                                            [&](const Order& order) {
                                              bill(order);
                                              handled.release();
                                            },
                                            {.group_id = "under test"});
  broker.publish("orders", Order{"tea", 2}).value();
  handled.acquire();
}
