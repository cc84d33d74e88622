// A member of group "billing" on topic "orders" whose handlers fail, and of group "answering" on
// topic "questions", whose requests it answers, for messaging_faults_test.cpp.
//   failing_member SERVERS
// It prints "done NUMBER" when a handler succeeds. Numbers that 5 divides always fail, and those
// that 3 divides at the first attempt. It runs until it is killed.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "dohle/kafka.hpp"

namespace {

using namespace std::chrono_literals;

[[noreturn]] void give_up(const dohle::Error& why) {
  std::fprintf(stderr, "failing_member: %s\n", why.to_string().c_str());
  std::exit(1);
}

dohle::Result<void> handle(const dohle::RawEvent& event) {
  const std::string text(event.body().value_or(""));
  const int number = std::atoi(text.c_str());
  if (number % 5 == 0 || (number % 3 == 0 && event.attempt() == 1)) {
    return dohle::fail(dohle::Error::client(dohle::Errc::handler_failed, "not that one"));
  }
  const std::string line = "done " + text + "\n";
  // One call, so that no line is torn when the process is killed.
  if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) std::exit(1);
  return {};
}

dohle::Subscriber until_it_is_made(auto make) {
  for (;;) {
    auto made = make();
    if (made) return *std::move(made);
    if (!made.error().is_retriable()) give_up(made.error());
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 2) return 2;
  auto broker = dohle::kafka::new_broker({.addresses = {words[1]},
                                          .max_wait = 20ms,
                                          .error_handler = [](const dohle::Failure&) {},
                                          .logger = dohle::silent_logger()});
  if (!broker) give_up(broker.error());
  // The server may be down just now.
  while (!broker->connect(10s)) continue;
  const auto reader = until_it_is_made([&] {
    return broker->subscribe("orders", [](dohle::RawEvent event) { return handle(event); },
                             {.group_id = "billing",
                              .group_instance_id = "one",
                              .concurrency = 4,
                              .max_retries = 0,
                              .retry_topics = {50ms, 100ms},
                              .failure_policy = dohle::FailurePolicy::dead_letter,
                              .session_timeout = 10s});
  });
  const auto responder = until_it_is_made([&] {
    return broker->reply<std::string>("questions",
                                      [](const std::string& question) { return question + "!"; },
                                      {.group_id = "answering",
                                       .group_instance_id = "one",
                                       .concurrency = 4,
                                       .max_retries = 1'000'000,
                                       .session_timeout = 10s});
  });
  for (;;) ::pause();
}
