// How long a test with dohle::testing takes: its start, and a whole test of a handler that fails
// three times. Prints the medians of 100 runs each, in milliseconds.   testing_bench [RUNS]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <dohle/testing.hpp>

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

template <class T>
T checked(dohle::Result<T> result) {
  if (result) return *std::move(result);
  std::fprintf(stderr, "%s\n", result.error().to_string().c_str());
  std::exit(1);
}
void check(const dohle::Result<void>& result) {
  if (result) return;
  std::fprintf(stderr, "%s\n", result.error().to_string().c_str());
  std::exit(1);
}

void test_three_retries() {
  auto environment = checked(dohle::testing::Environment::start());
  auto broker = checked(environment.connect());
  int attempts = 0;
  const auto orders = checked(broker.subscribe("orders",
                                               [&](const dohle::RawEvent&) -> dohle::Result<void> {
                                                 if (++attempts == 4) return {};
                                                 return dohle::fail(dohle::Error::client(
                                                     dohle::Errc::handler_failed, "no water"));
                                               },
                                               {.group_id = "kitchen", .max_retries = 3}));
  checked(broker.publish("orders", "tea"));
  // Three waits of at most 1.2 s.
  check(environment.advance(4s));
  check(environment.wait_handled("kitchen"));
  if (attempts == 4) return;
  std::fprintf(stderr, "%d attempts, not 4\n", attempts);
  std::exit(1);
}

/// `run` returns how long what it measures took.
void report(const char* what, int runs, const std::function<Milliseconds()>& run) {
  std::vector<double> took;
  for (int i = 0; i < runs; ++i) took.push_back(run().count());
  std::ranges::sort(took);
  std::printf("%-38s median %7.2f ms, least %7.2f, most %7.2f\n", what, took[took.size() / 2],
              took.front(), took.back());
}

Milliseconds since(steady_clock::time_point begin) {
  return steady_clock::now() - begin;
}

}  // namespace

int main(int count, char** arguments) {
  const int runs = count > 1 ? std::max(1, std::atoi(arguments[1])) : 100;
  std::printf("%u cores, %d runs each\n", std::thread::hardware_concurrency(), runs);
  report("start", runs, [] {
    const auto begin = steady_clock::now();
    const auto environment = checked(dohle::testing::Environment::start());
    return since(begin);
  });
  report("start and connect a Broker", runs, [] {
    const auto begin = steady_clock::now();
    auto environment = checked(dohle::testing::Environment::start());
    const auto broker = checked(environment.connect());
    return since(begin);
  });
  report("a test of a handler with three retries", runs, [] {
    const auto begin = steady_clock::now();
    test_three_retries();
    return since(begin);
  });
  report("ten minutes of a group without messages", std::max(1, runs / 10), [] {
    auto environment = checked(dohle::testing::Environment::start());
    auto broker = checked(environment.connect());
    const auto orders =
        checked(broker.subscribe("orders", [](const dohle::RawEvent&) {}, {.group_id = "kitchen"}));
    check(environment.wait_handled(orders));
    const auto begin = steady_clock::now();
    check(environment.advance(10min));
    return since(begin);
  });
  return 0;
}
