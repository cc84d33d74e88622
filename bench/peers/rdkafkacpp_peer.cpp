// Runs librdkafka's C++ interface (rdkafkacpp.h) against a server, and prints the keys of `dohle
// bench`.
//   rdkafkacpp_peer version|publish|receive [--brokers HOST:PORT] [--topic NAME] [--records COUNT]
//                   [--size 100] [--group NAME]
//
// publish: one call for each message, until all are stored, with idempotence and librdkafka's other
// defaults, linger.ms as the messaging API's. receive: a member of a group that takes one message
// at a time, as this interface gives them; time and CPU count from the first message on.
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <librdkafka/rdkafkacpp.h>

#include "arguments.hpp"
#include "failing.hpp"
#include "measured.hpp"

namespace {

using Properties = std::vector<std::pair<std::string, std::string>>;

std::unique_ptr<RdKafka::Conf> make_conf(const Properties& properties) {
  std::unique_ptr<RdKafka::Conf> conf(RdKafka::Conf::create(RdKafka::Conf::CONF_GLOBAL));
  std::string why;
  for (const auto& [name, value] : properties) {
    if (conf->set(name, value, why) != RdKafka::Conf::CONF_OK) fail(why);
  }
  return conf;
}

class CountFailures final : public RdKafka::DeliveryReportCb {
 public:
  void dr_cb(RdKafka::Message& message) override {
    if (message.err() != RdKafka::ERR_NO_ERROR) ++failed_;
  }
  [[nodiscard]] std::uint64_t failed() const { return failed_; }

 private:
  std::uint64_t failed_ = 0;
};

void flush(RdKafka::Producer& producer) {
  const auto error = producer.flush(120'000);
  if (error != RdKafka::ERR_NO_ERROR) fail(RdKafka::err2str(error));
}

Measured publish(const Arguments& arguments) {
  CountFailures reports;
  auto conf = make_conf({{"bootstrap.servers", arguments.text("brokers")},
                         {"enable.idempotence", "true"},
                         {"linger.ms", "10"}});
  std::string why;
  if (conf->set("dr_cb", &reports, why) != RdKafka::Conf::CONF_OK) fail(why);
  const std::unique_ptr<RdKafka::Producer> producer(RdKafka::Producer::create(conf.get(), why));
  if (!producer) fail(why);
  const std::string& topic = arguments.text("topic");
  const std::size_t size = arguments.number("size");
  const std::string bytes = random_bytes(size);
  const auto send = [&](std::uint64_t number) {
    const std::string_view value = sample(bytes, number, size);
    for (;;) {
      const auto error =
          producer->produce(topic, RdKafka::Topic::PARTITION_UA, RdKafka::Producer::RK_MSG_COPY,
                            const_cast<char*>(value.data()), value.size(), nullptr, 0, 0, nullptr);
      if (error == RdKafka::ERR_NO_ERROR) return;
      if (error != RdKafka::ERR__QUEUE_FULL) fail(RdKafka::err2str(error));
      producer->poll(1);
    }
  };
  send(0);
  flush(*producer);
  Measured measured;
  const Stopwatch watch;
  for (; measured.records < arguments.number("records"); ++measured.records) {
    send(measured.records);
    if (measured.records % 256 == 0) producer->poll(0);
  }
  flush(*producer);
  watch.into(measured);
  measured.failed = reports.failed();
  measured.bytes = measured.records * size;
  return measured;
}

Measured receive(const Arguments& arguments) {
  const auto conf = make_conf({{"bootstrap.servers", arguments.text("brokers")},
                               {"group.id", arguments.text("group")},
                               {"auto.offset.reset", "earliest"},
                               {"check.crcs", "true"}});
  std::string why;
  const std::unique_ptr<RdKafka::KafkaConsumer> consumer(
      RdKafka::KafkaConsumer::create(conf.get(), why));
  if (!consumer) fail(why);
  const auto subscribed = consumer->subscribe({arguments.text("topic")});
  if (subscribed != RdKafka::ERR_NO_ERROR) fail(RdKafka::err2str(subscribed));
  const std::uint64_t wanted = arguments.number("records");
  Measured measured;
  Stopwatch watch;
  for (auto last_ns = steady_ns(); measured.records < wanted;) {
    const std::unique_ptr<RdKafka::Message> message(consumer->consume(100));
    if (message->err() == RdKafka::ERR__TIMED_OUT) {
      if (steady_ns() - last_ns > 20'000'000'000) fail("no message came for 20 s");
      continue;
    }
    if (message->err() != RdKafka::ERR_NO_ERROR) fail(message->errstr());
    last_ns = steady_ns();
    if (measured.records == 0) watch = Stopwatch{};
    measured.bytes += message->len();
    ++measured.records;
  }
  watch.into(measured);
  consumer->close();
  return measured;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv,
                            {{"brokers", "127.0.0.1:9092"},
                             {"topic", "bench"},
                             {"records", "1000000"},
                             {"size", "100"},
                             {"group", "bench"}});
  if (arguments.mode() == "version") {
    fmt::print("{}\n", RdKafka::version_str());
  } else if (arguments.mode() == "publish") {
    fmt::print("{}\n", publish(arguments).to_json());
  } else if (arguments.mode() == "receive") {
    fmt::print("{}\n", receive(arguments).to_json());
  } else {
    fmt::print(stderr, "rdkafkacpp_peer version|publish|receive [--name value]…\n");
    return 2;
  }
}
