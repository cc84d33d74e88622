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
  auto subscriber =
      broker
          .subscribe<Sighting>(
              "sightings",
              [](const Sighting& seen) { std::printf("%d %s\n", seen.count, seen.bird.c_str()); },
              {.group_id = "watchers"})
          .value();
  broker.publish("sightings", Sighting{"jackdaw", 2}, {.key = "tower"}).value();
  std::getchar();
}
