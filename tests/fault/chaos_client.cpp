// A producer, a consumer or a member of a group, for scripts/chaos. It prints one line per event
// and ends on SIGTERM:
//   chaos_client produce SERVERS TOPIC PARTITIONS RATE NAME
//     ok MS NUMBER PARTITION OFFSET        acknowledged
//     failed MS NUMBER possibly|no WHY     not acknowledged, and whether it may be stored
//   chaos_client member SERVERS TOPIC GROUP
//     read MS PARTITION OFFSET VALUE
//     committed MS TOOK_MS                 commit_sync succeeded
//     uncommitted MS TOOK_MS WHY           commit_sync failed
//   chaos_client group SERVERS TOPIC GROUP    the same with default options
//   chaos_client consume SERVERS TOPIC        partition 0 from its beginning, without a group
//     read MS PARTITION OFFSET VALUE
// MS is monotonic time. Values are NAME-NUMBER; record NUMBER goes to partition NUMBER %
// PARTITIONS.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "dohle/client.hpp"
#include "dohle/consumer.hpp"
#include "dohle/producer.hpp"
#include "fault/pace.hpp"

namespace {

using namespace std::chrono_literals;
using Monotonic = std::chrono::steady_clock;

volatile std::sig_atomic_t is_ended = 0;
void on_terminate(int) {
  is_ended = 1;
}

long long milliseconds(Monotonic::duration span) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(span).count();
}
long long now() {
  return milliseconds(Monotonic::now().time_since_epoch());
}

/// Prints one line. Several threads call it.
void say(std::string line) {
  std::ranges::replace(line, '\n', ' ');
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stdout);
}

[[noreturn]] void give_up(const dohle::Error& why) {
  fmt::print(stderr, "chaos_client: {}\n", why.to_string());
  std::exit(1);
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    parts.push_back(list.substr(at, comma - at));
    at = comma + 1;
  }
  return parts;
}

dohle::Client client_of(const std::string& servers) {
  dohle::ClientOptions options;
  options.bootstrap_servers = split(servers);
  auto client = dohle::Client::create(std::move(options));
  if (!client) give_up(client.error());
  return std::move(client).value();
}

dohle::DeliveryCallback noting(long long number) {
  return [number](dohle::Result<dohle::Receipt> outcome) {
    if (outcome) {
      return say(fmt::format("ok {} {} {} {}", now(), number, outcome->partition.value,
                             outcome->offset.value));
    }
    const bool is_absent = outcome.error().stored() == dohle::Stored::no;
    say(fmt::format("failed {} {} {} {}", now(), number, is_absent ? "no" : "possibly",
                    outcome.error().to_string()));
  };
}

int produce(const std::string& servers, const std::string& topic_name, int partitions, int rate,
            const std::string& name) {
  dohle::Client client = client_of(servers);
  auto producer = client.producer();
  if (!producer) give_up(producer.error());
  auto topic = producer->topic(topic_name);
  if (!topic) give_up(topic.error());
  dohle::fault::Pace pace(std::chrono::nanoseconds(1'000'000'000 / rate));
  for (long long number = 0; is_ended == 0; ++number) {
    const std::string value = fmt::format("{}-{}", name, number);
    const dohle::Record record{
        .value = dohle::as_bytes(value),
        .partition = dohle::PartitionId{static_cast<std::int32_t>(number % partitions)}};
    const auto sent = producer->send(*topic, record, noting(number));
    if (!sent) say(fmt::format("failed {} {} no {}", now(), number, sent.error().to_string()));
    pace.wait();
  }
  const auto report = producer->close(60s);
  if (!report) give_up(report.error());
  return 0;
}

dohle::ConsumerOptions options_of_member(const std::string& group) {
  dohle::ConsumerOptions options;
  options.group_id = group;
  options.offset_reset = dohle::OffsetReset::earliest;
  options.auto_commit = false;
  return options;
}

/// False if the poll failed.
bool read_some(dohle::Consumer& consumer, bool& has_read) {
  auto records = consumer.poll(100ms);
  if (!records) {
    say(fmt::format("unread {} {}", now(), records.error().to_string()));
    return false;
  }
  for (const auto& record : *records) {
    const auto value = record.value.value_or(dohle::Bytes{});
    say(fmt::format("read {} {} {} {}", now(), record.partition.value, record.offset.value,
                    std::string(reinterpret_cast<const char*>(value.data()), value.size())));
    has_read = true;
  }
  return true;
}

int be_member(const std::string& servers, const std::string& topic,
              dohle::ConsumerOptions options) {
  dohle::Client client = client_of(servers);
  auto consumer = client.consumer(std::move(options));
  if (!consumer) give_up(consumer.error());
  const auto subscribed = consumer->subscribe({topic});
  if (!subscribed) give_up(subscribed.error());
  auto commit_at = Monotonic::now();
  bool has_read = false;
  while (is_ended == 0) {
    if (!read_some(*consumer, has_read) || !has_read || Monotonic::now() < commit_at) continue;
    const auto began = Monotonic::now();
    const auto committed = consumer->commit_sync();
    const auto took = milliseconds(Monotonic::now() - began);
    say(committed
            ? fmt::format("committed {} {}", now(), took)
            : fmt::format("uncommitted {} {} {}", now(), took, committed.error().to_string()));
    commit_at = Monotonic::now() + 500ms;
  }
  const auto closed = consumer->close(5s);
  if (!closed) say(fmt::format("unclosed {} {}", now(), closed.error().to_string()));
  return 0;
}

int consume(const std::string& servers, const std::string& topic) {
  dohle::Client client = client_of(servers);
  auto consumer = client.consumer({.offset_reset = dohle::OffsetReset::earliest});
  if (!consumer) give_up(consumer.error());
  const auto assigned = consumer->assign({{topic, dohle::PartitionId{0}}});
  if (!assigned) give_up(assigned.error());
  bool has_read = false;
  while (is_ended == 0) (void)read_some(*consumer, has_read);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 1 << 16);
  std::signal(SIGTERM, on_terminate);
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "produce" && argc == 7) {
    return produce(argv[2], argv[3], std::max(1, std::atoi(argv[4])),
                   std::max(1, std::atoi(argv[5])), argv[6]);
  }
  if (verb == "member" && argc == 5) {
    dohle::ConsumerOptions options = options_of_member(argv[4]);
    options.session_timeout = 10s;
    options.default_api_timeout = 5s;
    return be_member(argv[2], argv[3], std::move(options));
  }
  if (verb == "group" && argc == 5) return be_member(argv[2], argv[3], options_of_member(argv[4]));
  if (verb == "consume" && argc == 4) return consume(argv[2], argv[3]);
  fmt::print(stderr,
             "usage: chaos_client produce SERVERS TOPIC PARTITIONS RATE NAME\n"
             "       chaos_client member|group SERVERS TOPIC GROUP\n"
             "       chaos_client consume SERVERS TOPIC\n");
  return 2;
}
