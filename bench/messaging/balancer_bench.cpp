// What a balancer costs a message over the client's own choice of a partition: with a key of 16
// bytes and without one, of the broker and of one publish.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "client/produce/partitioners/key_hash.hpp"
#include "dohle/kafka.hpp"
#include "messaging/publish/balancers.hpp"

namespace dohle::messaging {
namespace {

constexpr std::int32_t partitions = 12;
constexpr std::string_view topic = "birdstrikes";

/// 64 records with values of 100 bytes, and keys of 16 if they have one.
class Records {
 public:
  explicit Records(bool has_keys) {
    for (std::size_t i = 0; i < records_.size(); ++i) {
      keys_[i] = "sensor-" + std::to_string(100'000'000 + i);
      records_[i].value = as_bytes(value_);
      if (has_keys) records_[i].key = as_bytes(keys_[i]);
    }
  }
  const Record& next() { return records_[at_++ % records_.size()]; }

 private:
  const std::string value_ = std::string(100, 'x');
  std::array<std::string, 64> keys_;
  std::array<Record, 64> records_{};
  std::size_t at_ = 0;
};

void clients_own(benchmark::State& state) {
  Records records(state.range(0) != 0);
  for (auto _ : state) {
    const Record& record = records.next();
    benchmark::DoNotOptimize(record.key ? client::partition_for_key(*record.key, partitions)
                                        : PartitionId{});
  }
}

kafka::Balancer balancer_of(std::int64_t number) {
  return kafka::Balancer::named(static_cast<kafka::BalancerName>(number));
}

void of_the_broker(benchmark::State& state) {
  Records records(state.range(0) != 0);
  const kafka::Balancer balancer = balancer_of(state.range(1));
  const auto sharing = std::make_shared<BalancerMemories>(1)->sharing(balancer);
  const auto memory = sharing->begin_topic(topic, 1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(sharing->choose(topic, records.next(), partitions, memory.get()));
  }
  state.SetLabel(std::string(to_string(*balancer.name())));
}

void of_one_publish(benchmark::State& state) {
  Records records(state.range(0) != 0);
  const kafka::Balancer balancer = balancer_of(state.range(1));
  const auto memories = std::make_shared<BalancerMemories>(1);
  for (auto _ : state) {
    Partitioner::Memory* const memory = memories->borrow(topic, balancer);
    benchmark::DoNotOptimize(
        BalancerAccess::partitioner(balancer)->choose(topic, records.next(), partitions, memory));
  }
  state.SetLabel(std::string(to_string(*balancer.name())));
}

/// The publishing thread's whole CPU time of a message. `balancer` -1 is none.
void publish(benchmark::State& state) {
  std::optional<kafka::Balancer> balancer;
  if (state.range(1) >= 0) balancer = balancer_of(state.range(1));
  Broker broker =
      kafka::new_broker({.addresses = {"embedded:memory"}, .balancer = balancer}).value();
  if (!broker.connect() || !kafka::create_topic(broker, std::string(topic), partitions, 1)) {
    state.SkipWithError("no node");
    return;
  }
  const std::string value(100, 'x');
  PublishOptions with;
  if (state.range(0) != 0) with.key = "sensor-100000001";
  for (auto _ : state) {
    if (!broker.publish(topic, std::string_view(value), with)) state.SkipWithError("refused");
  }
  if (!broker.flush()) state.SkipWithError("not delivered");
  if (balancer) state.SetLabel(std::string(to_string(*balancer->name())));
}

BENCHMARK(publish)
    ->ArgNames({"key", "balancer"})
    ->ArgsProduct({{0, 1}, {-1, 0, 1, 2, 3, 4, 5}})
    ->Iterations(500'000);
BENCHMARK(clients_own)->ArgName("key")->Arg(0)->Arg(1);
BENCHMARK(of_the_broker)->ArgNames({"key", "balancer"})->ArgsProduct({{0, 1}, {0, 1, 2, 3, 4, 5}});
BENCHMARK(of_one_publish)->ArgNames({"key", "balancer"})->ArgsProduct({{0, 1}, {0, 1, 2, 3, 4, 5}});

}  // namespace
}  // namespace dohle::messaging
