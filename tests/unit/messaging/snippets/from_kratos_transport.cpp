// The programs of docs/from-kratos-transport.md. Compiled, not run.
#include <dohle/codec/json.hpp>
#include <dohle/kafka.hpp>

#include <string>

using namespace std::chrono_literals;

struct Sighting {
  std::string bird;
  int count = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Sighting, bird, count)
};

dohle::Result<dohle::Broker> connected() {
  auto broker = dohle::kafka::new_broker(dohle::with_address("127.0.0.1:9092"),
                                         dohle::kafka::with_batch_timeout(5ms));
  if (!broker) return broker;
  if (auto reached = broker->connect(); !reached) return dohle::fail(reached.error());
  return broker;
}

dohle::Result<void> report(dohle::Broker& broker, const Sighting& seen) {
  auto delivery = broker.publish("sightings", seen, dohle::kafka::with_message_key("tower"));
  if (!delivery) return dohle::fail(delivery.error());
  return {};
}

dohle::Result<dohle::Subscriber> count(dohle::Broker& broker, int& birds) {
  return broker.subscribe<Sighting>(
      "sightings", [&birds](const Sighting& seen) { birds += seen.count; },
      dohle::with_queue_name("counters"));
}

dohle::Result<void> make_topic(dohle::Broker& broker) {
  return dohle::kafka::create_topic(broker, "sightings", 6, 1);
}

dohle::PublishMiddleware stamped(std::string service) {
  return [service](dohle::PublishHandler next) -> dohle::PublishHandler {
    return [service, next](std::string_view topic, dohle::Message& message) {
      message.with_header("sent-by", service);
      return next(topic, message);
    };
  };
}

dohle::Result<void> run() {
  auto broker = connected();
  if (!broker) return dohle::fail(broker.error());
  if (auto made = make_topic(*broker); !made) return made;
  int birds = 0;
  auto counting = count(*broker, birds);
  if (!counting) return dohle::fail(counting.error());
  if (auto sent = report(*broker, {"jackdaw", 2}); !sent) return sent;
  const auto end = broker->disconnect();
  return end ? dohle::Result<void>{} : dohle::fail(end.error());
}

int main() {
  return run() && stamped("tower") ? 0 : 1;
}
