// Dead letters go back to their topic once their cause is fixed: first a dry run, then the messages
// that a filter accepts, each once. The node is inside the program, in memory.
//
// It prints:
//
//   2 dead letters
//   a dry run would put back 1 of 2
//   served tea
//   put back 1, refused 1
//   nothing is left: 0 read
#include <atomic>
#include <chrono>
#include <future>
#include <iostream>
#include <string>

#include <dohle/kafka.hpp>

#include "checked.hpp"

namespace kafka = dohle::kafka;
using namespace std::chrono_literals;

int main() {
  std::atomic<int> dead{0};
  std::promise<void> both_dead, served;
  // Each failure is reported once its dead letter is stored.
  auto broker = checked(kafka::new_broker(dohle::with_address("embedded:memory"),
                                          dohle::with_error_handler([&](const dohle::Failure&) {
                                            if (++dead == 2) both_dead.set_value();
                                          })));
  check(broker.connect());
  check(kafka::create_topic(broker, "orders", 1, 1));
  std::atomic<bool> has_water{false};
  auto kitchen = checked(broker.subscribe<std::string>(
      "orders",
      [&](const std::string& order) -> dohle::Result<void> {
        if (!has_water) {
          return dohle::fail(dohle::Error::client(dohle::Errc::handler_failed, "no water"));
        }
        std::cout << "served " << order << '\n';
        served.set_value();
        return {};
      },
      dohle::with_group_id("kitchen"), dohle::with_subscribe_retry(1, 1ms),
      dohle::with_failure_policy(dohle::FailurePolicy::dead_letter)));
  for (const char* order : {"coffee", "tea"}) {
    checked(broker.publish("orders", order, dohle::with_publish_async(false)));
  }
  both_dead.get_future().wait();
  std::cout << dead << " dead letters\n";

  has_water = true;
  const auto is_tea = [](const dohle::Message& letter) { return letter.body() == "tea"; };
  const auto would =
      checked(kafka::redrive(broker, "orders.kitchen.dlt", "orders", is_tea, {.dry_run = true}));
  std::cout << "a dry run would put back " << would.redriven << " of " << would.read << '\n';
  const auto done = checked(kafka::redrive(broker, "orders.kitchen.dlt", "orders", is_tea));
  served.get_future().wait();
  std::cout << "put back " << done.redriven << ", refused " << done.refused << '\n';
  const auto again = checked(kafka::redrive(broker, "orders.kitchen.dlt", "orders"));
  std::cout << "nothing is left: " << again.read << " read\n";
  checked(broker.disconnect());
  return 0;
}
