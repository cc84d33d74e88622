// Measures what the messaging API costs a message over the client, against a node in this program's
// memory. Metrics are on (the default), tracing is off.
//   messaging_bench publish|receive|synchronous [--rounds 9] [--messages COUNT] [--size 100]
//
//   publish      Broker::publish of bytes beside Producer::send by name, with the same options of
//                the producer. Bursts fit into the producer's memory, so that no call waits; the
//                time and the CPU of the publishing thread are those of its calls, the CPU of the
//                process includes the delivery.
//   receive      a subscription whose handler takes the raw event, with concurrency 1 and 4, beside
//                Consumer::poll with its default options, and with those of the subscription and
//                its commits. All are members of a group. Time and CPU count from the first message
//                to the last.
//   synchronous  the p50 of a publish that waits for its acknowledgement, beside Producer::send and
//                Delivery::get. The time is the p50, the CPU is the mean.
//
// Contestants take turns, and one round more than --rounds runs first. Prints medians, the
// difference to the client's (the median over the rounds), and last one line of JSON.
#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "arguments.hpp"
#include "costs.hpp"
#include "dohle/consumer.hpp"
#include "dohle/kafka.hpp"
#include "dohle/logger.hpp"
#include "messaging/options/settings.hpp"
#include "taken.hpp"

namespace {

using namespace std::chrono_literals;
using dohle::Result;

constexpr std::int32_t partitions = 6;
/// Far below a producer's memory at the default size, and below the amount from which callers take
/// turns.
constexpr std::size_t burst = 20'000;
constexpr std::size_t max_burst_bytes = std::size_t{4} << 20;

/// Makes the compiler compute the value.
void keep(std::size_t value) {
  asm volatile("" : : "r"(value));
}

/// A Broker, and producers and consumers of its client.
class Node {
 public:
  /// The logger leaves out the warnings about topics that the program deletes.
  Node()
      : broker_(
            take(dohle::kafka::new_broker({.addresses = {"embedded:memory"},
                                           .logger = dohle::stderr_logger(dohle::LogLevel::error)}),
                 "broker")) {
    take(broker_.connect(), "connect");
    client_.emplace(take(broker_.client(), "client"));
  }

  [[nodiscard]] dohle::Broker& broker() { return broker_; }
  [[nodiscard]] dohle::Client& client() { return *client_; }
  /// With the options of the Broker's.
  [[nodiscard]] dohle::Producer producer() {
    auto options =
        dohle::messaging::producer_options(broker_.options(), {.acks = dohle::Acks::all});
    return take(client_->producer(take(std::move(options), "producer")), "producer");
  }

  [[nodiscard]] std::string make_topic() {
    std::string name = "messaging-bench-" + std::to_string(++topics_);
    take(dohle::kafka::create_topic(broker_, name, partitions, 1), "create");
    return name;
  }
  void drop_topic(const std::string& name) {
    for (const auto& each : take(dohle::kafka::delete_topic(broker_, {name}), "delete")) {
      take(each.result, "delete");
    }
  }

 private:
  dohle::Broker broker_;
  std::optional<dohle::Client> client_;
  std::size_t topics_ = 0;
};

/// `send` hands one message over, `flush` waits for all.
template <class Send, class Flush>
Cost in_bursts(std::size_t messages, std::size_t size, Send send, Flush flush) {
  const std::size_t most = std::clamp(max_burst_bytes / (size + 64), std::size_t{1}, burst);
  // The thread learns the topic.
  send();
  flush();
  Cost sum;
  for (std::size_t left = messages; left > 0;) {
    const std::size_t count = std::min(most, left);
    const Clocks begin = Clocks::now();
    for (std::size_t i = 0; i < count; ++i) send();
    const Clocks called = Clocks::now();
    flush();
    const Clocks delivered = Clocks::now();
    const Cost calls = cost_between(begin, called, messages);
    sum.thread_cpu += calls.thread_cpu;
    sum.time += calls.time;
    sum.process_cpu += cost_between(begin, delivered, messages).process_cpu;
    left -= count;
  }
  return sum;
}

// The contestants of publish and synchronous.
constexpr std::size_t by_client = 0;

Rounds measure_publish(const Arguments& arguments) {
  const std::size_t messages = arguments.number("messages");
  const std::string value(arguments.number("size"), 'x');
  Node node;
  dohle::Producer producer = node.producer();
  Rounds rounds({"Producer::send", "Broker::publish"});
  rounds.measure(arguments.number("rounds"), [&](std::size_t contestant) {
    const std::string topic = node.make_topic();
    const auto by_producer = [&] {
      const dohle::Record record{.value = dohle::as_bytes(value)};
      if (auto sent = producer.send(topic, record); !sent) fail(sent.error().to_string());
    };
    const auto by_broker = [&] {
      auto sent = node.broker().publish(topic, std::string_view(value));
      if (!sent) fail(sent.error().to_string());
    };
    const auto check = [](Result<dohle::FlushReport> flushed) {
      if (take(std::move(flushed), "flush").failed > 0) fail("messages were not stored");
    };
    const Cost cost = contestant == by_client ? in_bursts(messages, value.size(), by_producer,
                                                          [&] { check(producer.flush(60s)); })
                                              : in_bursts(messages, value.size(), by_broker,
                                                          [&] { check(node.broker().flush(60s)); });
    node.drop_topic(topic);
    return cost;
  });
  return rounds;
}

/// `publish` returns once its message is acknowledged.
template <class Publish>
Cost one_by_one(std::size_t messages, Publish publish) {
  publish();
  std::vector<double> times;
  times.reserve(messages);
  const Clocks begin = Clocks::now();
  for (std::size_t i = 0; i < messages; ++i) {
    const auto started = std::chrono::steady_clock::now();
    publish();
    const std::chrono::duration<double, std::nano> took =
        std::chrono::steady_clock::now() - started;
    times.push_back(took.count());
  }
  Cost cost = cost_between(begin, Clocks::now(), messages);
  cost.time = median(std::move(times));
  return cost;
}

Rounds measure_synchronous(const Arguments& arguments) {
  const std::size_t messages = arguments.number("messages");
  const std::string value(arguments.number("size"), 'x');
  Node node;
  dohle::Producer producer = node.producer();
  const std::string topic = node.make_topic();
  Rounds rounds({"Producer::send and get", "Broker::publish"});
  rounds.measure(arguments.number("rounds"), [&](std::size_t contestant) {
    if (contestant == by_client) {
      return one_by_one(messages, [&] {
        const dohle::Record record{.value = dohle::as_bytes(value)};
        (void)take(take(producer.send(topic, record), "send").get(), "get");
      });
    }
    return one_by_one(messages, [&] {
      (void)take(node.broker().publish(topic, std::string_view(value), {.async = false}),
                 "publish");
    });
  });
  return rounds;
}

/// Takes the time from the first message to the last. Each partition has equally many, so that a
/// receiver knows the last ones by their offsets and shares no counter.
class Reception {
 public:
  explicit Reception(std::size_t messages)
      : last_(static_cast<std::int64_t>(messages / partitions) - 1) {}

  void on_message(dohle::Offset offset, std::size_t bytes) {
    keep(bytes);
    if (offset.value == 0) [[unlikely]]
      begin();
    if (offset.value == last_) [[unlikely]]
      end();
  }
  [[nodiscard]] bool is_done() const { return ended_.load() == partitions; }
  void wait() {
    for (int ended = ended_.load(); ended < partitions; ended = ended_.load()) ended_.wait(ended);
  }
  [[nodiscard]] Cost cost() const {
    Cost cost = cost_between(begin_, end_, static_cast<std::size_t>(last_ + 1) * partitions);
    cost.thread_cpu = 0;
    return cost;
  }

 private:
  void begin() {
    const std::lock_guard lock(mutex_);
    if (begin_.steady_ns == 0) begin_ = Clocks::now();
  }
  void end() {
    {
      const std::lock_guard lock(mutex_);
      end_ = Clocks::now();
    }
    ended_.fetch_add(1);
    ended_.notify_all();
  }

  const std::int64_t last_;
  std::mutex mutex_;
  Clocks begin_, end_;
  std::atomic<int> ended_ = 0;
};

void fill(Node& node, const std::string& topic, std::size_t messages, std::size_t size) {
  dohle::Producer producer = node.producer();
  const std::string value(size, 'x');
  for (std::size_t i = 0; i < messages; ++i) {
    const auto partition = static_cast<std::int32_t>(i % partitions);
    auto sent = producer.send(
        topic, {.value = dohle::as_bytes(value), .partition = dohle::PartitionId{partition}});
    if (!sent) fail(sent.error().to_string());
  }
  if (take(producer.flush(60s), "flush").failed > 0) fail("messages were not stored");
}

/// `after_poll` is called after each poll that returned records.
template <class AfterPoll>
Cost poll_all(dohle::Consumer consumer, const std::string& topic, std::size_t messages,
              AfterPoll after_poll) {
  Reception reception(messages);
  take(consumer.subscribe({topic}), "subscribe");
  while (!reception.is_done()) {
    dohle::Records records = take(consumer.poll(1s), "poll");
    if (records.empty()) continue;
    for (const dohle::ConsumerRecord& record : records) {
      reception.on_message(record.offset, record.value ? record.value->size() : 0);
    }
    after_poll(consumer);
  }
  take(consumer.close(10s), "close");
  return reception.cost();
}

Cost by_consumer(Node& node, const std::string& topic, std::size_t messages, std::string group) {
  dohle::ConsumerOptions options{.group_id = std::move(group),
                                 .offset_reset = dohle::OffsetReset::earliest};
  return poll_all(take(node.client().consumer(options), "consumer"), topic, messages,
                  [](dohle::Consumer&) {});
}

/// As a subscription reads: its options, and a commit whenever the last one is done.
Cost by_consumer_of_subscription(Node& node, const std::string& topic, std::size_t messages,
                                 std::string group) {
  auto settings = take(dohle::messaging::read_settings(topic, {.group_id = std::move(group)},
                                                       node.broker().options()),
                       "settings");
  const auto is_committing = std::make_shared<std::atomic<bool>>(false);
  return poll_all(take(node.client().consumer(settings.consumer), "consumer"), topic, messages,
                  [&](dohle::Consumer& consumer) {
                    if (is_committing->exchange(true)) return;
                    consumer.commit_async(
                        [is_committing](const Result<void>&) { is_committing->store(false); });
                  });
}

Cost by_subscription(Node& node, const std::string& topic, std::size_t messages, std::string group,
                     std::size_t concurrency) {
  const auto reception = std::make_shared<Reception>(messages);
  auto subscriber =
      take(node.broker().subscribe(
               topic,
               [reception](const dohle::RawEvent& event) {
                 const auto body = event.body();
                 reception->on_message(event.offset(), body ? body->size() : 0);
               },
               dohle::SubscribeOptions{.group_id = std::move(group), .concurrency = concurrency}),
           "subscribe");
  reception->wait();
  take(subscriber.unsubscribe(), "unsubscribe");
  return reception->cost();
}

Rounds measure_receive(const Arguments& arguments) {
  const std::size_t messages = arguments.number("messages") / partitions * partitions;
  if (messages == 0) fail(fmt::format("--messages has to be at least {}", partitions));
  Node node;
  const std::string topic = node.make_topic();
  fill(node, topic, messages, arguments.number("size"));
  Rounds rounds({"Consumer::poll", "Consumer::poll, as subscribed", "subscription, concurrency 1",
                 "subscription, concurrency 4"});
  std::size_t groups = 0;
  rounds.measure(arguments.number("rounds"), [&](std::size_t contestant) {
    std::string group = "group-" + std::to_string(++groups);
    if (contestant == 0) return by_consumer(node, topic, messages, std::move(group));
    if (contestant == 1) {
      return by_consumer_of_subscription(node, topic, messages, std::move(group));
    }
    return by_subscription(node, topic, messages, std::move(group), contestant == 2 ? 1 : 4);
  });
  return rounds;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  const Arguments arguments(
      argc, argv,
      {{"rounds", "9"}, {"messages", mode == "synchronous" ? "3000" : "500000"}, {"size", "100"}});
  const auto report = [](const Rounds& rounds) {
    fmt::print("{}{}\n", rounds.text(), rounds.json());
    return 0;
  };
  if (mode == "publish") return report(measure_publish(arguments));
  if (mode == "receive") return report(measure_receive(arguments));
  if (mode == "synchronous") return report(measure_synchronous(arguments));
  fmt::print(stderr, "messaging_bench publish|receive|synchronous [--name value]…\n");
  return 2;
}
