// A unit test of a handler, without a server. The node is in memory, and the test advances the
// time: the handler fails three times, each retry waits longer than the one before, and the message
// then waits ten minutes in a retry topic. The test itself does not wait.
//
// It prints:
//
//   attempt 1 of tea: no water
//   attempt 2 of tea: no water
//   attempt 3 of tea: no water
//   not handled yet: the message waits in orders.kitchen.retry.10m
//   attempt 4 of tea: served
//   everything is handled
#include <chrono>
#include <iostream>
#include <string>

#include <dohle/testing.hpp>

#include "checked.hpp"

using namespace std::chrono_literals;

namespace {

/// The handler under test.
class Kitchen {
 public:
  dohle::Result<void> cook(const std::string& order, const dohle::RawEvent& event) const {
    std::cout << "attempt " << event.attempt() << " of " << order << ": ";
    if (event.attempt() < 4) {
      std::cout << "no water\n";
      return dohle::fail(dohle::Error::client(dohle::Errc::handler_failed, "no water"));
    }
    std::cout << "served\n";
    return {};
  }
};

}  // namespace

int main() {
  auto environment = checked(dohle::testing::Environment::start());
  auto broker = checked(environment.connect());
  const Kitchen kitchen;
  auto orders = checked(broker.subscribe<std::string>(
      "orders",
      [&kitchen](const std::string& order, const dohle::RawEvent& event) {
        return kitchen.cook(order, event);
      },
      dohle::with_group_id("kitchen"), dohle::with_subscribe_retry(2, 1s),
      dohle::with_retry_topics({10min})));
  checked(broker.publish("orders", "tea"));

  // The source is done with the message once it is stored in the retry topic.
  check(environment.advance(10s));
  check(environment.wait_handled(orders));
  const auto early = environment.wait_handled(orders, {.timeout = 1ms, .retry_topics = true});
  std::cout << (early ? "handled too early\n"
                      : "not handled yet: the message waits in orders.kitchen.retry.10m\n");

  check(environment.advance(10min));
  check(environment.wait_handled(orders, {.retry_topics = true}));
  std::cout << "everything is handled\n";
  return 0;
}
