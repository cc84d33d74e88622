// A member of group "billing" on topic "orders" whose handlers fail, and of group "answering" on
// topic "questions", whose requests it answers, for disturbed_messaging.hpp.
//   failing_member SERVERS HISTORY
// It prints "done NUMBER" when a handler succeeds. Numbers that 5 divides always fail, and those
// that 3 divides at the first attempt. To the file HISTORY it adds lines for
// fault/redeliveries.hpp. It runs until it is killed.
#include <fcntl.h>
#include <sys/types.h>
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

/// In one call, so that no line is torn when the process is killed.
void write_line(int file, const std::string& line) {
  const std::string whole = line + "\n";
  if (::write(file, whole.data(), whole.size()) != static_cast<ssize_t>(whole.size())) std::exit(1);
}

/// Writes the handlings of this process, and its gains and losses of partitions.
class History {
 public:
  explicit History(const char* path) : file_(::open(path, O_WRONLY | O_APPEND | O_CLOEXEC)) {
    if (file_ < 0) std::exit(1);
  }
  void handled(const std::string& group, const dohle::RawEvent& event) const {
    write_line(file_, "handled " + group + " " + std::string(event.topic()) + " " +
                          std::to_string(event.partition().value) + " " +
                          std::to_string(event.offset().value) + " " +
                          std::to_string(event.attempt()) + " " +
                          std::string(event.body().value_or("")) + " " + member_);
  }
  void assigned(const std::string& group) const {
    write_line(file_, "assigned " + group + " " + member_);
  }
  void lost(const std::string& group) const { write_line(file_, "lost " + group + " " + member_); }

 private:
  const int file_;
  const std::string member_ = std::to_string(::getpid());
};

dohle::Result<void> handle(const dohle::RawEvent& event) {
  const std::string text(event.body().value_or(""));
  const int number = std::atoi(text.c_str());
  if (number % 5 == 0 || (number % 3 == 0 && event.attempt() == 1)) {
    return dohle::fail(dohle::Error::client(dohle::Errc::handler_failed, "not that one"));
  }
  write_line(STDOUT_FILENO, "done " + text);
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
  if (count != 3) return 2;
  const History history(words[2]);
  auto broker = dohle::kafka::new_broker({.addresses = {words[1]},
                                          .max_wait = 20ms,
                                          .error_handler = [](const dohle::Failure&) {},
                                          .logger = dohle::silent_logger()});
  if (!broker) give_up(broker.error());
  // The server may be down just now.
  while (!broker->connect(10s)) continue;
  const auto reader = until_it_is_made([&] {
    return broker->subscribe("orders",
                             [&history](dohle::RawEvent event) {
                               history.handled("billing", event);
                               return handle(event);
                             },
                             {.group_id = "billing",
                              .group_instance_id = "one",
                              .concurrency = 4,
                              .max_retries = 0,
                              .retry_topics = {50ms, 100ms},
                              .on_assigned = [&history](auto) { history.assigned("billing"); },
                              .on_lost = [&history](auto) { history.lost("billing"); },
                              .failure_policy = dohle::FailurePolicy::dead_letter,
                              .session_timeout = 10s});
  });
  const auto responder = until_it_is_made([&] {
    return broker->reply<std::string>(
        "questions",
        [&history](const std::string& question, const dohle::RawEvent& event) {
          history.handled("answering", event);
          return question + "!";
        },
        {.group_id = "answering",
         .group_instance_id = "one",
         .concurrency = 4,
         .max_retries = 1'000'000,
         .on_assigned = [&history](auto) { history.assigned("answering"); },
         .on_lost = [&history](auto) { history.lost("answering"); },
         .session_timeout = 10s});
  });
  for (;;) ::pause();
}
