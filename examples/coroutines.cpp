// Coroutines of Boost.Asio: the first publishes and waits for its receipts, the second is the
// handler of a subscription, the third sends a request to a service, and the fourth is the handler
// of that service. All run on the thread of one io_context. The node is inside the program, in
// memory.
//
// It prints:
//
//   stored at offset 0
//   stored at offset 1
//   handled: one
//   handled: two
//   reply: three is stored, too
#include <exception>
#include <future>
#include <iostream>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <dohle/asio.hpp>
#include <dohle/kafka.hpp>

#include "checked.hpp"

namespace kafka = dohle::kafka;
namespace net = boost::asio;

namespace {

net::awaitable<void> publish_two(dohle::Broker& broker) {
  for (const std::string text : {"one", "two"}) {
    const auto receipt =
        checked(co_await dohle::asio::publish(broker, "lines", text, net::use_awaitable));
    std::cout << "stored at offset " << receipt.offset.value << '\n';
  }
}

net::awaitable<void> ask(dohle::Broker& broker) {
  const auto reply = checked(co_await dohle::asio::request<std::string>(
      broker, "questions", std::string("three"), net::use_awaitable));
  std::cout << "reply: " << reply << '\n';
}

}  // namespace

int main() {
  auto broker = checked(kafka::new_broker(dohle::with_address("embedded:memory"),
                                          dohle::with_reply_topic_creation()));
  check(broker.connect());
  for (const char* topic : {"lines", "questions"}) check(kafka::create_topic(broker, topic, 1, 1));

  net::io_context context;
  auto work = net::make_work_guard(context);
  std::thread thread([&context] { context.run(); });

  net::co_spawn(context, publish_two(broker), net::use_future).get();

  std::promise<void> both;
  auto handle = [&both](dohle::Event<std::string> line) -> net::awaitable<void> {
    co_await net::post(net::use_awaitable);  // other coroutines run meanwhile
    std::cout << "handled: " << *line << '\n';
    if (*line == "two") both.set_value();
  };
  auto reader = checked(broker.subscribe<std::string>(
      "lines", dohle::asio::coroutine_handler(context.get_executor(), handle),
      dohle::with_group_id("readers")));
  both.get_future().wait();

  auto answer = [](std::string text) -> net::awaitable<std::string> {
    co_await net::post(net::use_awaitable);
    co_return text + " is stored, too";
  };
  auto service = checked(broker.reply<std::string>(
      "questions", dohle::asio::coroutine_handler(context.get_executor(), answer),
      dohle::with_group_id("service")));
  net::co_spawn(context, ask(broker), net::use_future).get();

  // Subscriptions end before the executor of their handlers.
  checked(broker.disconnect());
  work.reset();
  thread.join();
  return 0;
}
