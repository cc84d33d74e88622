#include <dohle/codec/json.hpp>
#include <dohle/kafka.hpp>

#include <cstdio>

struct Sighting {
  std::string bird;
  int count = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Sighting, bird, count)
};

int main() {
  auto broker = dohle::kafka::new_broker({.addresses = {"embedded:memory"}}).value();
  broker.connect().value();
  dohle::kafka::create_topic(broker, "sightings", 3, 1).value();
  auto print = [](const Sighting& s) { std::printf("%d %s\n", s.count, s.bird.c_str()); };
  auto watch = broker.subscribe<Sighting>("sightings", print, {.group_id = "watchers"}).value();
  broker.publish("sightings", Sighting{"jackdaw", 2}, {.key = "tower"}).value().get().value();
  std::getchar();
}
