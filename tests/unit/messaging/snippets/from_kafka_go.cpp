// The programs of docs/from-kafka-go.md. Compiled, not run.
#include <dohle/client.hpp>
#include <dohle/consumer.hpp>
#include <dohle/kafka.hpp>
#include <dohle/producer.hpp>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <string>

using namespace std::chrono_literals;

struct WriterCounters {
  std::atomic<std::uint64_t> writes, messages, bytes, errors;
};

dohle::ProducerOptions counted(WriterCounters& to) {
  return {.on_batch = [&to](const dohle::SettledBatch& batch) {
    ++to.writes;
    to.messages += batch.records.size();
    for (const dohle::RecordView& record : batch.records) {
      to.bytes += record.key.value_or(dohle::Bytes()).size();
      to.bytes += record.value.value_or(dohle::Bytes()).size();
    }
    if (batch.error != nullptr) ++to.errors;
  }};
}

dohle::Result<void> write(dohle::Producer& writer) {
  auto first = writer.send("sightings", {.value = dohle::as_bytes("jackdaw")});
  auto second = writer.send("sightings", {.value = dohle::as_bytes("rook")});
  if (!first || !second) return dohle::fail(first ? second.error() : first.error());
  if (auto stored = first->get(); !stored) return dohle::fail(stored.error());
  if (auto stored = second->get(); !stored) return dohle::fail(stored.error());
  return {};
}

dohle::Result<void> read(dohle::Client& client) {
  auto reader = client.consumer({.group_id = "counters", .auto_commit = false});
  if (!reader) return dohle::fail(reader.error());
  if (auto joined = reader->subscribe({"sightings"}); !joined) return joined;
  while (true) {
    auto records = reader->poll(1s);
    if (!records) return dohle::fail(records.error());
    for (const dohle::ConsumerRecord& record : *records) {
      std::printf("%zu bytes\n", record.value.value_or(dohle::Bytes()).size());
    }
    if (auto committed = reader->commit_sync(); !committed) return committed;
  }
}

dohle::Result<void> pull(dohle::Broker& broker) {
  auto reader = broker.subscribe_pull<std::string>("sightings", {.group_id = "counters"});
  if (!reader) return dohle::fail(reader.error());
  while (true) {
    auto message = reader->next(1s);
    if (!message) return dohle::fail(message.error());
    if (*message) std::printf("%zu bytes\n", (*message)->value().size());
  }
}

int main() {
  WriterCounters counters = {};
  auto client = dohle::Client::create({.bootstrap_servers = {"127.0.0.1:9092"}});
  if (!client) return 1;
  auto writer = client->producer(counted(counters));
  auto broker = dohle::kafka::new_broker();
  if (!writer || !broker) return 1;
  return write(*writer) && read(*client) && pull(*broker) ? 0 : 1;
}
