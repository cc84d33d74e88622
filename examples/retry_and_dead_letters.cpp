// Failures of a handler: an order is retried from a retry topic while there is no tea, and an order
// that can never be served becomes a dead letter at once. The node is inside the program, in
// memory.
//
// It prints:
//
//   attempt 1 of coffee
//   attempt 1 of tea
//   attempt 2 of tea, from orders.kitchen.retry.100ms
//   served tea
//   dead letter: coffee, since this is a tea house, after 1 attempts
#include <chrono>
#include <future>
#include <iostream>
#include <string>

#include <dohle/kafka.hpp>

#include "checked.hpp"

namespace kafka = dohle::kafka;
using namespace std::chrono_literals;

namespace {

dohle::Error failure(const std::string& why) {
  return dohle::Error::client(dohle::Errc::handler_failed, why);
}

std::string header_of(const dohle::RawEvent& event, std::string_view name) {
  return std::string(event.header(name).value_or("nothing"));
}

}  // namespace

int main() {
  auto broker = checked(kafka::new_broker(dohle::with_address("embedded:memory"),
                                          dohle::with_error_handler([](const dohle::Failure&) {})));
  check(broker.connect());
  check(kafka::create_topic(broker, "orders", 1, 1));
  for (const char* order : {"coffee", "tea"}) {
    checked(broker.publish("orders", order, dohle::with_publish_async(false)));
  }

  std::promise<void> served, buried;
  auto kitchen = checked(broker.subscribe<std::string>(
      "orders",
      [&served](const std::string& order, const dohle::RawEvent& event) -> dohle::Result<void> {
        std::cout << "attempt " << event.attempt() << " of " << order;
        if (event.topic() != "orders") std::cout << ", from " << event.topic();
        std::cout << '\n';
        if (order != "tea") return dohle::fail(dohle::permanent(failure("this is a tea house")));
        if (event.attempt() == 1) return dohle::fail(failure("no water"));
        std::cout << "served " << order << '\n';
        served.set_value();
        return {};
      },
      dohle::with_group_id("kitchen"), dohle::with_subscribe_retry(0, 0ms),
      dohle::with_retry_topics({100ms}),
      dohle::with_failure_policy(dohle::FailurePolicy::dead_letter)));
  served.get_future().wait();
  check(kitchen.unsubscribe());

  auto letters = checked(broker.subscribe(
      "orders.kitchen.dlt",
      [&buried](const dohle::RawEvent& event) {
        std::cout << "dead letter: " << event.body().value_or("") << ", since "
                  << header_of(event, "kafka_dlt-exception-message") << ", after "
                  << header_of(event, "dohle-attempts") << " attempts\n";
        buried.set_value();
      },
      kafka::with_start_offset(dohle::StartOffset::first())));
  buried.get_future().wait();
  check(letters.unsubscribe());
  checked(broker.disconnect());
  return 0;
}
