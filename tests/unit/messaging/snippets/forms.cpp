// All forms of options, handlers and middleware. Compiled, not run.
#include <cstdio>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dohle/codec/json.hpp"
#include "dohle/kafka.hpp"

namespace {

using namespace std::chrono_literals;
using dohle::Event;
using dohle::Message;
using dohle::RawEvent;
using dohle::Result;

struct Order {
  std::string customer;
  int cents = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, customer, cents)
};

Result<dohle::Broker> options_as_fields() {
  return dohle::kafka::new_broker({.addresses = {"127.0.0.1:9092"}, .batch_timeout = 5ms});
}

Result<dohle::Broker> options_as_functions() {
  using namespace dohle::kafka;
  return new_broker(dohle::with_address("a:9092", "b:9092"), with_batch_timeout(5ms),
                    dohle::with_group_id("hall"), with_min_bytes(1),
                    dohle::with_error_handler([](const dohle::Failure& failure) {
                      std::fputs(failure.error.to_string().c_str(), stderr);
                      if (failure.event != nullptr) (void)failure.event->ack();
                    }));
}

void publishing(dohle::Broker& broker) {
  (void)broker.publish("orders", Message("text").with_key("k").with_header("a", "b"));
  (void)broker.publish("orders", "text");
  (void)broker.publish("orders", std::string("text"), {.key = "k"});
  (void)broker.publish("orders", Order{"Ada", 5});
  (void)broker.publish("orders", nlohmann::json{{"customer", "Ada"}});
  (void)broker.publish("orders", std::vector<std::byte>(3), {.key = "k"});
  (void)broker.publish("orders", dohle::as_bytes("text"));
  (void)broker.publish("orders", Message().with_tombstone().with_key("k"));
  (void)broker.publish("orders", Order{"Ada", 5}, {.key = "Ada", .headers = {{"row", "7"}}});
  (void)broker.publish("orders", Order{"Ada", 5}, dohle::kafka::with_message_key("Ada"),
                       dohle::with_publish_timeout(1s), dohle::with_publish_async(false));
  (void)broker.publish("orders", "text",
                       dohle::with_publish_async([](const Result<dohle::Receipt>&) {}));
}

void subscribing(dohle::Broker& broker) {
  auto by_value = broker.subscribe<Order>("orders", [](const Order&) {}, {.group_id = "a"});
  auto by_event = broker.subscribe<Order>(
      "orders",
      [](Event<Order> order) -> Result<void> {
        if (order->cents < 0) return dohle::fail(dohle::Error::client({}, "less than nothing"));
        return order.ack();
      },
      dohle::with_group_id("b"), dohle::with_concurrency(4), dohle::disable_auto_ack(),
      dohle::kafka::with_queue_capacity(10),
      dohle::with_failure_policy(dohle::FailurePolicy::skip));
  if (by_event) {
    for (const dohle::HeldMessage& held : by_event->held()) std::puts(held.topic.c_str());
  }
  auto by_both = broker.subscribe<Order>("orders", [](Order, RawEvent event) { (void)event.ack(); },
                                         {.group_id = "c", .auto_ack = false});
  auto retried = broker.subscribe<Order>(
      "orders",
      [](Order order, RawEvent event) -> Result<void> {
        if (order.cents == 0) {
          return dohle::fail(dohle::permanent(dohle::Error::client({}, "nothing")));
        }
        return event.retry_after(5s);
      },
      dohle::with_group_id("d"), dohle::with_subscribe_retry(3, 50ms),
      dohle::with_max_retry_delay(2s), dohle::with_retry_topics({5s, 1min}),
      dohle::with_retry_prefix("orders.d"),
      dohle::with_failure_policy(dohle::FailurePolicy::dead_letter),
      dohle::with_failure_decision([](const dohle::Error& why, const RawEvent&) {
        return why.is_broker(29) ? dohle::FailureAction::stop : dohle::FailureAction::retry;
      }));
  (void)dohle::kafka::redrive(broker, "orders.d.dlt", "orders",
                              [](const Message& letter) { return letter.key() == "Ada"; },
                              {.dry_run = true});
  auto raw = broker.subscribe("orders", [](RawEvent event) { (void)event.message(); });
  auto raw_alone = broker.subscribe(
      "orders", [](RawEvent) { return Result<void>{}; },
      dohle::kafka::with_partition(dohle::PartitionId{0}));
}

void subscribing_in_batches(dohle::Broker& broker) {
  auto by_events = broker.subscribe_batch<Order>(
      "orders", [](std::span<Event<Order>> orders) { std::printf("%zu\n", orders.size()); },
      {.group_id = "a", .batch_size = 500});
  auto one_by_one = broker.subscribe_batch<Order>(
      "orders",
      [](std::span<Event<Order>> orders) -> Result<void> {
        for (Event<Order>& order : orders) {
          const auto done = order->cents < 0 ? order.nack() : order.ack();
          if (!done) return done;
        }
        return {};
      },
      dohle::with_group_id("b"), dohle::with_subscribe_batch_size(500),
      dohle::with_subscribe_batch_interval(20ms), dohle::with_concurrency(4));
  auto kept = broker.subscribe_batch<Order>(
      "orders",
      [all = std::vector<Event<Order>>()](std::span<Event<Order>> orders) mutable {
        for (Event<Order>& order : orders) all.push_back(std::move(order));
      },
      dohle::disable_auto_ack());
  auto raw = broker.subscribe_batch("orders", [](std::span<RawEvent> events) {
    for (const RawEvent& event : events) (void)event.message();
  });
  auto raw_alone = broker.subscribe_batch(
      "orders", [](std::span<RawEvent>) { return Result<void>{}; },
      dohle::kafka::with_partition(dohle::PartitionId{0}));
}

void pulling(dohle::Broker& broker) {
  auto orders = broker.subscribe_pull<Order>("orders", {.group_id = "a"});
  if (!orders) return;
  if (auto order = orders->next(1s); order && *order) std::puts((*order)->value().customer.c_str());
  auto by_hand =
      broker.subscribe_pull<Order>("orders", dohle::with_group_id("b"), dohle::disable_auto_ack());
  auto raw = broker.subscribe_pull("orders");
  if (!raw) return;
  if (auto event = raw->next(1s); event && *event) (void)(*event)->message();
}

void watching(dohle::Broker& broker) {
  const auto print = [](std::span<const dohle::TopicPartition> partitions) {
    for (const dohle::TopicPartition& each : partitions) std::puts(each.topic.c_str());
  };
  auto by_fields = broker.subscribe("orders", [](RawEvent) {},
                                    {.group_id = "a",
                                     .on_assigned = print,
                                     .on_revoked = print,
                                     .on_lost = print,
                                     .on_idle = [] { std::puts("idle"); },
                                     .idle_after = 5s});
  auto by_functions = broker.subscribe(
      "orders", [](RawEvent) {}, dohle::kafka::with_on_assigned(print),
      dohle::kafka::with_on_revoked(print), dohle::kafka::with_on_lost(print),
      dohle::with_on_idle([] { std::puts("idle"); }, 5s));
}

void subscribing_to_several(dohle::Broker& broker) {
  const std::vector<std::string> names{"orders", "payments"};
  auto listed = broker.subscribe<Order>({"orders", "payments"}, [](const Order&) {});
  auto one_listed = broker.subscribe<Order>({"orders"}, [](const Order&) {}, {.group_id = "a"});
  auto vector = broker.subscribe<Order>(names, [](Event<Order>) {}, dohle::with_group_id("b"));
  auto pattern = broker.subscribe<Order>(dohle::kafka::pattern("orders\\..*"), [](Event<Order>) {});
  auto raw = broker.subscribe(dohle::kafka::pattern(".*", {.include_internal = true}),
                              [](RawEvent event) { (void)event.topic(); }, {.group_id = "c"});
  auto raw_listed = broker.subscribe(
      {"orders", "payments"}, [](RawEvent) {}, dohle::with_group_id("d"),
      dohle::with_concurrency(2));
  auto by_view = broker.subscribe(std::string_view("orders"), [](RawEvent) {});
  auto batches = broker.subscribe_batch<Order>({"orders", "payments"},
                                               [](std::span<Event<Order>>) {}, {.group_id = "e"});
  auto raw_batches = broker.subscribe_batch(
      dohle::kafka::pattern("orders\\..*"), [](std::span<RawEvent>) {},
      dohle::with_subscribe_batch_size(10));
  auto replies =
      broker.reply<Order>({"prices", "offers"}, [](const Order& order) { return order; });
  if (!listed) return;
  for (const dohle::TopicPartition& each : listed->assignment()) {
    (void)listed->pause(each);
    (void)listed->resume(each);
    (void)listed->seek(each, dohle::Offset{0});
    (void)listed->position(each);
    (void)listed->committed({"orders", each.partition});
  }
}

dohle::SubscribeMiddleware counting(int& count) {
  return [&count](dohle::SubscribeHandler next) {
    return [&count, next = std::move(next)](RawEvent& event) {
      ++count;
      return next(event);
    };
  };
}

dohle::PublishMiddleware stamping() {
  return [](dohle::PublishHandler next) {
    return [next = std::move(next)](std::string_view topic, Message& message) {
      message.with_header("sent-by", "shop");
      return next(topic, message);
    };
  };
}

void topics(dohle::Broker& broker) {
  (void)dohle::kafka::create_topic("127.0.0.1:9092", "orders", 6, 1);
  (void)dohle::kafka::create_topic({"127.0.0.1:9092", "127.0.0.1:9093"}, "orders", 6, 1);
  (void)dohle::kafka::create_topic(broker, "orders", 6, 1);
  (void)dohle::kafka::delete_topic("127.0.0.1:9092", "orders", "payments");
  (void)dohle::kafka::delete_topic(broker, {"orders", "payments"});
  (void)dohle::kafka::delete_topic("127.0.0.1:9092", {"orders"});
  (void)dohle::kafka::delete_topic({"127.0.0.1:9092", "127.0.0.1:9093"}, {"orders", "payments"});
}

}  // namespace

int main() {
  int count = 0;
  auto broker = dohle::kafka::new_broker(
      {.publish_middlewares = {stamping()}, .subscribe_middlewares = {counting(count)}});
  if (!broker || !options_as_fields() || !options_as_functions()) return 1;
  publishing(*broker);
  subscribing(*broker);
  subscribing_in_batches(*broker);
  pulling(*broker);
  watching(*broker);
  subscribing_to_several(*broker);
  topics(*broker);
  return broker->disconnect() ? 0 : 1;
}
