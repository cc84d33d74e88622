// Runs the messaging API with its defaults against a server, as the other clients' programs beside
// it do, and prints the keys of `dohle bench`.
//   messaging_peer publish|receive [--brokers HOST:PORT] [--topic NAME] [--records COUNT]
//                  [--size 100] [--group NAME] [--concurrency 1]
//
// publish: one call for each message, until all are stored. receive: a subscription of a group;
// time and CPU count from the first message on.
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "arguments.hpp"
#include "dohle/kafka.hpp"
#include "measured.hpp"
#include "taken.hpp"

namespace {

using namespace std::chrono_literals;

dohle::Broker connected(const Arguments& arguments) {
  auto broker = take(dohle::kafka::new_broker(dohle::with_address(arguments.text("brokers"))));
  take(broker.connect());
  return broker;
}

Measured publish(const Arguments& arguments) {
  auto broker = connected(arguments);
  const std::string& topic = arguments.text("topic");
  const std::string bytes = random_bytes(arguments.number("size"));
  const std::size_t size = arguments.number("size");
  const auto send = [&](std::uint64_t number) {
    (void)take(broker.publish(topic, sample(bytes, number, size)));
  };
  send(0);
  (void)take(broker.flush(60s));
  Measured measured;
  const Stopwatch watch;
  for (; measured.records < arguments.number("records"); ++measured.records) {
    send(measured.records);
  }
  measured.failed = take(broker.flush(120s)).failed;
  watch.into(measured);
  measured.bytes = measured.records * size;
  return measured;
}

Measured receive(const Arguments& arguments) {
  auto broker = connected(arguments);
  const std::uint64_t wanted = arguments.number("records");
  Measured measured;
  std::mutex mutex;
  Stopwatch watch;
  std::atomic<std::uint64_t> received = 0, bytes = 0;
  std::atomic<bool> is_done = false;
  auto subscriber = take(broker.subscribe(
      arguments.text("topic"),
      [&](const dohle::RawEvent& event) {
        const auto body = event.body();
        bytes.fetch_add(body ? body->size() : 0, std::memory_order_relaxed);
        const std::uint64_t number = received.fetch_add(1, std::memory_order_relaxed) + 1;
        if (number != 1 && number != wanted) return;
        const std::lock_guard lock(mutex);
        if (number == 1) watch = Stopwatch{};
        if (number != wanted) return;
        watch.into(measured);
        is_done = true;
        is_done.notify_all();
      },
      dohle::SubscribeOptions{.group_id = arguments.text("group"),
                              .concurrency = arguments.number("concurrency")}));
  is_done.wait(false);
  take(subscriber.unsubscribe());
  const std::lock_guard lock(mutex);
  measured.records = wanted;
  measured.bytes = bytes;
  return measured;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv,
                            {{"brokers", "127.0.0.1:9092"},
                             {"topic", "bench"},
                             {"records", "1000000"},
                             {"size", "100"},
                             {"group", "bench"},
                             {"concurrency", "1"}});
  if (arguments.mode() == "publish") {
    fmt::print("{}\n", publish(arguments).to_json());
  } else if (arguments.mode() == "receive") {
    fmt::print("{}\n", receive(arguments).to_json());
  } else {
    fmt::print(stderr, "messaging_peer publish|receive [--name value]…\n");
    return 2;
  }
}
