// Runs librdkafka with the same work and the same measurement as `dohle bench`, and prints the same
// keys.
//   rdkafka_peer create|produce|consume|e2e|login [--option value]… [-X property=value]…
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "measured.hpp"
#include "rdkafka_library.hpp"

namespace {

using Properties = std::vector<std::pair<std::string, std::string>>;

struct Options {
  std::map<std::string, std::string> values{{"library", "librdkafka.so.1"},
                                            {"brokers", "127.0.0.1:9092"},
                                            {"topic", "bench"},
                                            {"group", "bench-" + std::to_string(steady_ns())},
                                            {"records", "1000000"},
                                            {"size", "100"},
                                            {"partitions", "6"},
                                            {"acks", "all"},
                                            {"linger", "5"},
                                            {"buffer-mb", "64"},
                                            {"threads", "1"},
                                            {"rate", "1000"}};
  Properties properties;

  const std::string& text(const char* name) const { return values.at(name); }
  std::uint64_t number(const char* name) const {
    return std::strtoull(values.at(name).c_str(), nullptr, 10);
  }
};

[[noreturn]] void fail(const std::string& what) {
  fmt::print(stderr, "rdkafka_peer: {}\n", what);
  std::exit(1);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 2; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--json") continue;
    if (i + 1 == argc) fail(name + " needs a value");
    const std::string value = argv[++i];
    const auto equals = value.find('=');
    if (name == "-X" && equals != std::string::npos) {
      options.properties.emplace_back(value.substr(0, equals), value.substr(equals + 1));
    } else if (name.starts_with("--") && options.values.contains(name.substr(2))) {
      options.values[name.substr(2)] = value;
    } else {
      fail(name + " is not an option");
    }
  }
  return options;
}

/// Counters of the delivery callback, which runs on the polling thread, one call at a time.
struct Deliveries {
  std::uint64_t failed = 0;
  std::vector<double> latencies;
};

// For records whose latency is measured, the opaque is the time of the produce call.
void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto& deliveries = *static_cast<Deliveries*>(opaque);
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) ++deliveries.failed;
  if (message->_private == nullptr) return;
  const auto began = reinterpret_cast<std::intptr_t>(message->_private);
  deliveries.latencies.push_back(static_cast<double>(steady_ns() - began) / 1e6);
}

/// Owns a client of the loaded library.
class Handle {
 public:
  Handle(const RdKafka& api, rd_kafka_type_t type, const Options& options, const Properties& own,
         Deliveries* deliveries)
      : api_(api) {
    rd_kafka_conf_t* conf = api.conf_new_();
    set(conf, "bootstrap.servers", options.text("brokers"));
    for (const auto& [name, value] : own) set(conf, name, value);
    for (const auto& [name, value] : options.properties) set(conf, name, value);
    if (deliveries != nullptr) {
      api.conf_set_opaque_(conf, deliveries);
      api.conf_set_dr_msg_cb_(conf, on_delivery);
    }
    char why[512];
    kafka_ = api.new_(type, conf, why, sizeof why);
    if (kafka_ == nullptr) fail(why);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { api_.destroy_(kafka_); }

  rd_kafka_t* get() const { return kafka_; }

 private:
  void set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) const {
    char why[512];
    if (api_.conf_set_(conf, name.c_str(), value.c_str(), why, sizeof why) != RD_KAFKA_CONF_OK) {
      fail(why);
    }
  }

  const RdKafka& api_;
  rd_kafka_t* kafka_ = nullptr;
};

Properties producer_properties(const Options& options) {
  const std::string& acks = options.text("acks");
  return {{"acks", acks},
          {"enable.idempotence", acks == "all" || acks == "-1" ? "true" : "false"},
          {"linger.ms", options.text("linger")},
          {"queue.buffering.max.kbytes", std::to_string(options.number("buffer-mb") * 1024)},
          {"queue.buffering.max.messages", "10000000"}};
}

Properties consumer_properties(const Options& options, const char* reset) {
  return {
      {"group.id", options.text("group")}, {"auto.offset.reset", reset}, {"check.crcs", "true"}};
}

void produce_one(const RdKafka& api, rd_kafka_t* kafka, rd_kafka_topic_t* topic,
                 std::int32_t partition, const char* bytes, std::size_t size, void* opaque) {
  while (api.produce_(topic, partition, RD_KAFKA_MSG_F_COPY, const_cast<char*>(bytes), size,
                      nullptr, 0, opaque) != 0) {
    const auto error = api.last_error_();
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) fail(api.err2str_(error));
    api.poll_(kafka, 1);
  }
}

void flush(const RdKafka& api, rd_kafka_t* kafka) {
  const auto error = api.flush_(kafka, 120'000);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) fail(api.err2str_(error));
}

Measured produce(const RdKafka& api, const Options& options) {
  const std::size_t size = options.number("size");
  const std::uint64_t threads = options.number("threads");
  const std::uint64_t each = options.number("records") / threads;
  const auto bytes = random_bytes(size);
  Deliveries deliveries;
  const Handle handle(api, RD_KAFKA_PRODUCER, options, producer_properties(options), &deliveries);
  rd_kafka_topic_t* topic = api.topic_new_(handle.get(), options.text("topic").c_str(), nullptr);

  for (int i = 0; i < 100; ++i) {
    produce_one(api, handle.get(), topic, RD_KAFKA_PARTITION_UA, bytes.data(), size, nullptr);
  }
  flush(api, handle.get());
  deliveries = {};
  deliveries.latencies.reserve(each * threads / 64);

  const Stopwatch watch;
  const auto work = [&](bool polls) {
    for (std::uint64_t i = 0; i < each; ++i) {
      // NOLINTNEXTLINE(performance-no-int-to-ptr): the library passes the word through unchanged
      void* opaque = i % 128 == 0 ? reinterpret_cast<void*>(steady_ns()) : nullptr;
      produce_one(api, handle.get(), topic, RD_KAFKA_PARTITION_UA,
                  bytes.data() + (i * 61) % (1 << 20), size, opaque);
      if (polls && i % 256 == 0) api.poll_(handle.get(), 0);
    }
  };
  std::vector<std::thread> others;
  for (std::uint64_t i = 1; i < threads; ++i) others.emplace_back(work, false);
  work(true);
  for (auto& thread : others) thread.join();
  flush(api, handle.get());

  Measured measured;
  watch.into(measured);
  measured.failed = deliveries.failed;
  measured.records = each * threads - deliveries.failed;
  measured.bytes = measured.records * size;
  measured.latencies = std::move(deliveries.latencies);
  api.topic_destroy_(topic);
  return measured;
}

/// Subscribes, and passes every record to `take` until it returns false or no record arrives for
/// `idle_ms`. librdkafka waits for `at_once` records, at most 100 ms: 1 is for latency, more for
/// throughput.
template <class Take>
void consume_until(const RdKafka& api, rd_kafka_t* kafka, const std::string& topic,
                   std::size_t at_once, int idle_ms, Take take) {
  api.poll_set_consumer_(kafka);
  rd_kafka_topic_partition_list_t* topics = api.topic_partition_list_new_(1);
  api.topic_partition_list_add_(topics, topic.c_str(), RD_KAFKA_PARTITION_UA);
  if (const auto error = api.subscribe_(kafka, topics); error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    fail(api.err2str_(error));
  }
  api.topic_partition_list_destroy_(topics);
  rd_kafka_queue_t* queue = api.queue_get_consumer_(kafka);
  std::vector<rd_kafka_message_t*> batch(at_once);
  bool more = true;
  auto last_ns = steady_ns();
  while (more && steady_ns() - last_ns < idle_ms * 1'000'000LL) {
    const auto count = api.consume_batch_queue_(queue, 100, batch.data(), batch.size());
    for (ssize_t i = 0; i < count; ++i) {
      rd_kafka_message_t* message = batch[static_cast<std::size_t>(i)];
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        last_ns = steady_ns();
        more = more && take(*message);
      } else if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        fmt::print(stderr, "rdkafka_peer: {}\n", api.err2str_(message->err));
      }
      api.message_destroy_(message);
    }
  }
  api.queue_destroy_(queue);
}

Measured consume(const RdKafka& api, const Options& options) {
  const Handle handle(api, RD_KAFKA_CONSUMER, options, consumer_properties(options, "earliest"),
                      nullptr);
  const std::uint64_t wanted = options.number("records");
  Measured measured;
  // Excludes joining the group: the stopwatch starts with the first record.
  Stopwatch watch;
  consume_until(api, handle.get(), options.text("topic"), 1'000, 20'000,
                [&](const rd_kafka_message_t& message) {
                  if (measured.records == 0) watch = Stopwatch{};
                  measured.bytes += message.len;
                  if (++measured.records == wanted) watch.into(measured);
                  return measured.records < wanted;
                });
  if (measured.records < wanted) {
    fail(fmt::format("only {} of {} records came", measured.records, wanted));
  }
  api.consumer_close_(handle.get());
  return measured;
}

/// The sending half of e2e: sends marks to each partition until one is received from each, then the
/// records at a steady rate.
void send_paced(const RdKafka& api, const Options& options, rd_kafka_t* kafka,
                const std::vector<std::atomic<bool>>& ready) {
  const std::size_t size = options.number("size");
  auto bytes = random_bytes(size);
  rd_kafka_topic_t* topic = api.topic_new_(kafka, options.text("topic").c_str(), nullptr);
  const auto send = [&](std::int32_t partition, std::int64_t mark) {
    std::memcpy(bytes.data(), &mark, sizeof mark);
    produce_one(api, kafka, topic, partition, bytes.data(), size, nullptr);
    api.poll_(kafka, 0);
  };
  for (std::size_t partition = 0; partition < ready.size(); ++partition) {
    while (!ready[partition].load()) {
      send(static_cast<std::int32_t>(partition), 0);
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  const auto interval = std::chrono::nanoseconds(1'000'000'000 / options.number("rate"));
  auto next = std::chrono::steady_clock::now();
  // A warm-up of two seconds, as in `dohle bench e2e`.
  const std::uint64_t unmeasured = 2 * options.number("rate");
  for (std::uint64_t i = 0; i < unmeasured + options.number("records"); ++i) {
    std::this_thread::sleep_until(next += interval);
    send(static_cast<std::int32_t>(i % ready.size()), i < unmeasured ? -1 : steady_ns());
  }
  flush(api, kafka);
  api.topic_destroy_(topic);
}

Measured e2e(const RdKafka& api, const Options& options) {
  if (options.number("size") < sizeof(std::int64_t)) fail("--size must be 8 or more");
  Properties sending = producer_properties(options);
  sending.emplace_back("socket.nagle.disable", "true");
  Properties receiving = consumer_properties(options, "latest");
  receiving.emplace_back("socket.nagle.disable", "true");
  Deliveries deliveries;
  const Handle producer(api, RD_KAFKA_PRODUCER, options, sending, &deliveries);
  const Handle consumer(api, RD_KAFKA_CONSUMER, options, receiving, nullptr);

  std::vector<std::atomic<bool>> ready(options.number("partitions"));
  std::thread sender([&] { send_paced(api, options, producer.get(), ready); });
  Measured measured;
  Stopwatch watch;
  consume_until(api, consumer.get(), options.text("topic"), 1, 30'000,
                [&](const rd_kafka_message_t& message) {
                  std::int64_t sent = 0;
                  std::memcpy(&sent, message.payload, sizeof sent);
                  if (sent == 0) {
                    ready.at(static_cast<std::size_t>(message.partition)).store(true);
                    return true;
                  }
                  if (sent == -1) return true;
                  if (measured.records == 0) watch = Stopwatch{};
                  measured.latencies.push_back(static_cast<double>(steady_ns() - sent) / 1e6);
                  measured.bytes += message.len;
                  return ++measured.records < options.number("records");
                });
  watch.into(measured);
  if (measured.records < options.number("records")) {
    fail(fmt::format("only {} records came", measured.records));
  }
  sender.join();
  measured.failed = deliveries.failed;
  api.consumer_close_(consumer.get());
  return measured;
}

/// Each record is a login: a new client that connects, logs in and has the cluster's metadata.
Measured log_in(const RdKafka& api, const Options& options) {
  constexpr int login_time_ms = 30'000;
  Measured measured;
  const Stopwatch watch;
  for (; measured.records < options.number("records"); ++measured.records) {
    const auto began = steady_ns();
    const Handle handle(api, RD_KAFKA_PRODUCER, options, {}, nullptr);
    const rd_kafka_metadata_t* metadata = nullptr;
    const auto error = api.metadata_(handle.get(), 0, nullptr, &metadata, login_time_ms);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) fail(api.err2str_(error));
    api.metadata_destroy_(metadata);
    measured.latencies.push_back(static_cast<double>(steady_ns() - began) / 1e6);
  }
  watch.into(measured);
  return measured;
}

void create(const RdKafka& api, const Options& options) {
  const Handle handle(api, RD_KAFKA_PRODUCER, options, {}, nullptr);
  char why[512];
  rd_kafka_NewTopic_t* topic =
      api.NewTopic_new_(options.text("topic").c_str(),
                        static_cast<int>(options.number("partitions")), 1, why, sizeof why);
  if (topic == nullptr) fail(why);
  rd_kafka_queue_t* queue = api.queue_new_(handle.get());
  api.CreateTopics_(handle.get(), &topic, 1, nullptr, queue);
  api.NewTopic_destroy_(topic);
  rd_kafka_event_t* event = api.queue_poll_(queue, 60'000);
  if (event == nullptr) fail("no answer to CreateTopics within 60 s");
  auto error = api.event_error_(event);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    std::size_t count = 0;
    const auto* results =
        api.CreateTopics_result_topics_(api.event_CreateTopics_result_(event), &count);
    if (count == 1) error = api.topic_result_error_(results[0]);
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) fail(api.err2str_(error));
  api.event_destroy_(event);
  api.queue_destroy_(queue);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  const Options options = parse(argc, argv);
  const RdKafka api(options.text("library"));
  if (mode == "version") {
    fmt::print("{}\n", api.version_str_());
  } else if (mode == "create") {
    create(api, options);
  } else if (mode == "produce") {
    fmt::print("{}\n", produce(api, options).to_json());
  } else if (mode == "consume") {
    fmt::print("{}\n", consume(api, options).to_json());
  } else if (mode == "e2e") {
    fmt::print("{}\n", e2e(api, options).to_json());
  } else if (mode == "login") {
    fmt::print("{}\n", log_in(api, options).to_json());
  } else {
    fmt::print(stderr, "rdkafka_peer version|create|produce|consume|e2e|login [--option value]…\n");
    return 2;
  }
}
