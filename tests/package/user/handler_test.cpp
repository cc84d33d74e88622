// A user's test with the target dohle::testing.
#include <dohle/testing.hpp>

#include <cstdio>

int main() {
  auto environment = dohle::testing::Environment::start();
  if (!environment) return 1;
  auto broker = environment->connect();
  if (!broker) return 1;
  auto handler = [](const dohle::RawEvent&) { std::puts("handled"); };
  auto subscriber = broker->subscribe("greetings", handler, {.group_id = "tested"});
  if (!subscriber || !broker->publish("greetings", "hello")) return 1;
  const auto handled = environment->wait_handled(*subscriber);
  if (!handled) std::fprintf(stderr, "%s\n", handled.error().to_string().c_str());
  return handled ? 0 : 1;
}
