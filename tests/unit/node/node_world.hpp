#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/broker_errors.hpp"
#include "base/budget.hpp"
#include "base/units.hpp"
#include "node/node_engine.hpp"
#include "sim/machine.hpp"
#include "sim/world.hpp"
#include "wire/batch_builder.hpp"
#include "wire/messages/create_topics.hpp"
#include "wire/messages/fetch.hpp"
#include "wire/messages/metadata.hpp"
#include "wire/messages/produce.hpp"
#include "wire_client.hpp"

namespace dohle::node {

using namespace std::chrono_literals;

/// Keeps all log lines of the node, as "warning node: …".
class KeptLines final : public Logger {
 public:
  [[nodiscard]] LogLevel level() const noexcept override { return lowest; }
  void log(LogLevel level, std::string_view subject, std::string_view line) noexcept override {
    const std::string word = level == LogLevel::error     ? "error "
                             : level == LogLevel::warning ? "warning "
                                                          : "info ";
    lines.push_back(word + std::string(subject) + ": " + std::string(line));
  }
  [[nodiscard]] std::size_t count(std::string_view part) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        lines, [&](const std::string& line) { return line.find(part) != line.npos; }));
  }
  std::vector<std::string> lines;
  LogLevel lowest = LogLevel::info;
};

/// The initial time of the world's wall clocks.
inline constexpr std::int64_t wall_start_ms = 1'735'689'600'000;

struct BatchOf {
  std::int64_t producer_id = -1;
  std::int16_t epoch = -1;
  std::int32_t sequence = -1;
};

inline Chain batch_of(const std::vector<std::string>& values, BatchOf by = {},
                      std::int64_t timestamp = wall_start_ms) {
  static Budget budget{64_MiB};
  wire::BatchBuilder builder(budget, 32_MiB);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Timestamp at{timestamp + static_cast<std::int64_t>(i)};
    EXPECT_EQ(builder.append({.value = as_bytes(values[i])}, at), wire::BatchBuilder::Appended::ok);
  }
  wire::BatchBuilder::Seal seal;
  seal.producer_id = ProducerId{by.producer_id};
  seal.producer_epoch = ProducerEpoch{by.epoch};
  seal.base_sequence = by.sequence;
  return builder.seal(std::move(seal));
}

/// The values of all records in a fetch answer.
inline std::vector<std::string> values_in(const std::optional<Chain>& records) {
  std::vector<std::string> values;
  if (!records) return values;
  Slice bytes = *records->flatten();
  while (!bytes.empty()) {
    const auto header = wire::read_batch_header(bytes.bytes());
    EXPECT_TRUE(header.has_value());
    if (!header) break;
    auto reader = wire::BatchReader::open(bytes.sub(0, header->size()));
    EXPECT_TRUE(reader.has_value());
    for (RecordView record; reader->next(record);) {
      values.emplace_back(record.value ? as_text(*record.value) : "(none)");
    }
    bytes = bytes.sub(header->size());
  }
  return values;
}

struct FetchFrom {
  std::int64_t offset = 0;
  std::int32_t partition = 0;
  std::int32_t min_bytes = 1;
  std::int32_t max_wait_ms = 500;
  std::int32_t max_bytes = 1 << 20;
};

/// A loop whose turns have time for one task each.
class ShortTurns final : public Executor {
 public:
  ShortTurns(Executor& loop, const bool& is_short) : loop_(loop), is_short_(is_short) {}
  void post(Task task) override { loop_.post(std::move(task)); }
  [[nodiscard]] bool is_loop_thread() const override { return loop_.is_loop_thread(); }
  TimerId arm(TimePoint at, Task task) override { return loop_.arm(at, std::move(task)); }
  void cancel(TimerId id) override { loop_.cancel(id); }
  [[nodiscard]] Now tick() const override { return loop_.tick(); }
  [[nodiscard]] TimePoint turn_end() const override { return is_short_ ? TimePoint::min() : never; }

 private:
  Executor& loop_;
  const bool& is_short_;
};

/// The node's real code on a simulated machine, and clients that send requests of the test's.
class NodeWorld : public testing::Test {
 protected:
  using Partition = wire::FetchResponse::PartitionData;
  /// Makes further listeners. The result lives as long as the engine.
  using ListenFurther = std::function<std::shared_ptr<void>(sim::Process&, NodeEngine&)>;

  struct Running {
    Running(sim::Process& self, const NodeSettings& settings, Logger& logger, const bool& is_short,
            const Authorizer& authorizer, const ListenFurther& listen_further)
        : loop(self.executor(), is_short),
          engine({loop, self.disk(), self.workers(), self.secure_random(), logger, authorizer},
                 settings) {
      started = engine.start();
      if (!started) return;
      auto at = engine.listen(self.listening(), {"tcp", {"0.0.0.0", 9092}, {"node", 0}});
      if (at && settings.security.authenticates) {
        at = engine.listen(
            self.listening(),
            {"login", {"0.0.0.0", 9093}, {"node", 0}, SecurityProtocol::sasl_plaintext});
      }
      if (!at) started = fail(at.error());
      if (started && listen_further) further = listen_further(self, engine);
      self.after_each_turn([this] { engine.check_invariants(); });
    }
    ShortTurns loop;
    Result<void> started;
    std::shared_ptr<void> further;
    NodeEngine engine;
  };

  sim::Process& node() {
    if (node_ == nullptr) {
      node_ = &world.machine("node").start("node", [this](sim::Process& self) {
        return std::make_shared<Running>(self, settings, logger, turns_are_short, *authorizer,
                                         listen_further);
      });
      world.run_for(100ms);
      const auto& started = running().started;
      EXPECT_TRUE(started.has_value()) << started.error().to_string();
    }
    return *node_;
  }
  Running& running() { return *node_->running_as<Running>(); }
  TopicTable& topics() { return running().engine.part<Storage>().topics(); }

  void restart_after_kill() {
    node().restart();
    restarted();
  }
  void restart_after_power_loss() {
    (void)node();
    world.machine("node").lose_power();
    world.run_for(10ms);
    world.machine("node").power_on();
    restarted();
  }
  /// Call after the machine lost and regained its power.
  void after_power_loss() { restarted(); }
  /// Drops the clients, whose connections belonged to an earlier node.
  void forget_clients() {
    for (auto& [name, client] : clients_) client->close();
    clients_.clear();
  }
  /// Returns the outcome of the stop.
  Result<void> stop_cleanly() {
    std::optional<Result<void>> outcome;
    running().engine.stop(world.now() + 5s, [&](Result<void> how) { outcome = std::move(how); });
    EXPECT_TRUE(world.run_until([&] { return outcome.has_value(); }, 10s));
    return outcome.value_or(fail(Error::client(Errc::timed_out, "the stop")));
  }

  /// With `port` the client connects there, otherwise where it was before.
  WireClient& client(std::string_view name = "one", std::uint16_t port = 0) {
    (void)node();
    auto& to = ports_.try_emplace(std::string(name), std::uint16_t{9092}).first->second;
    if (port != 0) to = port;
    auto& known = clients_[std::string(name)];
    if (known != nullptr && !known->is_closed) return *known;
    if (process_ == nullptr) {
      process_ = &world.machine("client").start(
          "client", [](sim::Process&) { return std::make_shared<int>(); });
      world.run_for(1ms);
    }
    known = std::make_unique<WireClient>();
    known->dial(*process_, {"node", to});
    EXPECT_TRUE(world.run_until([&] { return known->is_open; }, 5s));
    return *known;
  }

  /// Null before `client` was called with that name.
  WireClient* known_client(std::string_view name) {
    const auto known = clients_.find(std::string(name));
    return known == clients_.end() ? nullptr : known->second.get();
  }

  template <class Request>
  Awaited<Request> send(const Request& request, std::int16_t version = Request::api.versions.max,
                        std::string_view from = "one") {
    return client(from).send(request, version);
  }
  template <class Request>
  typename Request::Response wait(const Awaited<Request>& answer, Duration at_most = 30s) {
    EXPECT_TRUE(world.run_until([&] { return answer->has_value(); }, at_most)) << "no answer";
    return answer->value_or(typename Request::Response());
  }
  template <class Request>
  typename Request::Response ask(const Request& request,
                                 std::int16_t version = Request::api.versions.max,
                                 std::string_view from = "one") {
    return wait<Request>(send(request, version, from));
  }

  using Configs = std::map<std::string, std::string>;
  wire::CreateTopicsResponse::CreatableTopicResult try_create(const std::string& name,
                                                              std::int32_t partitions = 1,
                                                              const Configs& configs = {}) {
    wire::CreateTopicsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = name;
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    for (const auto& [key, value] : configs) topic.configs.push_back({key, value});
    return ask(request).topics.at(0);
  }
  TopicId create(const std::string& name, std::int32_t partitions = 1,
                 const Configs& configs = {}) {
    const auto created = try_create(name, partitions, configs);
    EXPECT_EQ(created.error_code, 0) << created.error_message.value_or("");
    return created.topic_id;
  }

  static wire::ProduceRequest produce_request(const std::string& topic, Chain batch,
                                              std::int16_t acks = -1, std::int32_t partition = 0) {
    wire::ProduceRequest request;
    request.acks = acks;
    request.timeout_ms = 1'000;
    auto& data = request.topic_data.emplace_back();
    data.name = topic;
    data.partition_data.push_back({PartitionId{partition}, std::move(batch)});
    return request;
  }
  /// The answer for the one partition. Version 12 is the last one with topic names.
  wire::ProduceResponse::PartitionProduceResponse produce(const std::string& topic, Chain batch,
                                                          std::int16_t acks = -1,
                                                          std::int32_t partition = 0) {
    const auto answer = ask(produce_request(topic, std::move(batch), acks, partition), 12);
    return answer.responses.at(0).partition_responses.at(0);
  }

  static wire::FetchRequest fetch_request(const std::string& topic, FetchFrom from = {}) {
    wire::FetchRequest request;
    request.min_bytes = from.min_bytes;
    request.max_wait_ms = from.max_wait_ms;
    request.max_bytes = from.max_bytes;
    auto& wanted = request.topics.emplace_back();
    wanted.topic = topic;
    auto& partition = wanted.partitions.emplace_back();
    partition.partition = PartitionId{from.partition};
    partition.fetch_offset = Offset{from.offset};
    partition.partition_max_bytes = from.max_bytes;
    return request;
  }
  Partition fetch(const std::string& topic, FetchFrom from = {}) {
    return ask(fetch_request(topic, from), 12).responses.at(0).partitions.at(0);
  }
  std::vector<std::string> values(const std::string& topic, FetchFrom from = {}) {
    return values_in(fetch(topic, from).records);
  }

  const Authorizer* authorizer = &everything_allowed;
  sim::World world{1};
  NodeSettings settings = [] {
    NodeSettings chosen;
    chosen.data_directory = "/data";
    return chosen;
  }();
  KeptLines logger;
  bool turns_are_short = false;
  ListenFurther listen_further;

 private:
  void restarted() {
    forget_clients();
    world.run_for(200ms);
    const auto& started = running().started;
    EXPECT_TRUE(started.has_value()) << started.error().to_string();
  }

  sim::Process* node_ = nullptr;
  sim::Process* process_ = nullptr;
  std::map<std::string, std::unique_ptr<WireClient>> clients_;
  std::map<std::string, std::uint16_t> ports_;
};

}  // namespace dohle::node
