#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/cluster/shared_client.hpp"
#include "client/produce/ticking_time.hpp"
#include "sim/machine.hpp"
#include "sim/process.hpp"
#include "sim/world.hpp"
#include "wire/batch.hpp"
#include "wire/header.hpp"
#include "wire/messages/api_versions.hpp"
#include "wire/messages/init_producer_id.hpp"
#include "wire/messages/metadata.hpp"
#include "wire/messages/produce.hpp"

namespace dohle::client {

/// Answers of the servers of a scripted cluster with one topic, "orders".
struct ClusterScript {
  /// A test's own answers, called with the server. Without a result the request is never answered,
  /// and neither are later ones on that connection.
  template <class M>
  using Says = std::function<std::optional<typename M::Response>(NodeId at, const M& message)>;
  struct Handler {
    wire::Api api;
    std::function<std::optional<Chain>(NodeId at, const wire::RequestHeader& header,
                                       const Slice& body)>
        answer;
  };

  template <class M>
  void on(Says<M> says) {
    const auto answer = [says = std::move(says)](NodeId at, const wire::RequestHeader& header,
                                                 const Slice& body) -> std::optional<Chain> {
      const auto said = says(at, wire::decode<M>(body, header.api_version).value());
      if (!said) return std::nullopt;
      return wire::encode_response(header.correlation_id, *said, header.api_version).value();
    };
    handlers.insert_or_assign(M::api.key, Handler{M::api, answer});
  }
  std::map<wire::ApiKey, Handler> handlers;
  /// Set by a test's own answer. Default: 0. Delay before it is sent, as of a long poll.
  Duration answer_after{};
  /// Highest version of the APIs that tests answer.
  std::int16_t versions_up_to = 12;

  /// Leaders of the partitions. The epoch increases with each change.
  std::vector<PartitionLeader> leaders;
  /// Id of "orders".
  TopicId topic_id{{1}};
  /// Ports are all 9092; hosts are "broker-ID".
  std::vector<NodeId> brokers;
  NodeId controller;
  std::int64_t producer_ids_given = 0;
  /// Received produce requests, with the server that received them.
  struct Produced {
    NodeId at;
    wire::ProduceRequest request;
  };
  std::vector<Produced> produced;
  /// Errors of the next answers, one per request. Later requests succeed.
  std::deque<std::int16_t> produce_errors;
  /// Produce answers have the partitions in another order than the request.
  bool answers_backwards = false;
  /// Called for each metadata request that the script answers.
  std::function<void(NodeId at)> on_metadata_asked = [](NodeId) {};
  /// Requests are received and never answered.
  bool is_silent = false;
  /// Connections are closed at their first metadata request.
  bool closes_at_metadata = false;
  std::int64_t next_offset = 0;

  void move_leader(std::size_t partition, NodeId to) {
    leaders[partition] = {to, LeaderEpoch{leaders[partition].epoch.value + 1}};
  }
};

/// A server that answers by the script.
class ScriptedBroker final : public Acceptor {
 public:
  ScriptedBroker(sim::Process& process, ClusterScript& script, NodeId id)
      : process_(process), script_(script), id_(id) {
    listener_ = *process.listening().listen({"0.0.0.0", 9092}, {}, *this);
  }
  ConnectionEvents* on_accept(std::unique_ptr<Connection> connection) override {
    peers_.push_back(std::make_unique<Peer>(*this, std::move(connection)));
    return peers_.back().get();
  }

 private:
  struct Peer final : ConnectionEvents {
    Peer(ScriptedBroker& broker_, std::unique_ptr<Connection> connection_)
        : broker(broker_), connection(std::move(connection_)) {}
    void on_open() override {}
    Admission on_frame_length(std::size_t) override { return Admission::accept; }
    void on_frame(Slice frame) override {
      waiting.push_back(std::move(frame));
      go_on();
    }
    void on_closed(Error) override { waiting.clear(); }

    /// One request at a time, as servers do.
    void go_on() {
      while (!is_busy && !waiting.empty()) {
        const Slice frame = std::move(waiting.front());
        waiting.pop_front();
        broker.answer(*this, frame);
      }
    }

    template <class M>
    void send(const wire::RequestHeader& to, const M& message) {
      connection->send(*wire::encode_response(to.correlation_id, message, to.api_version));
    }
    ScriptedBroker& broker;
    std::unique_ptr<Connection> connection;
    std::deque<Slice> waiting;
    bool is_busy = false;
  };

  void answer(Peer& peer, const Slice& frame) {
    const auto request = wire::decode_request_header(frame);
    const auto& header = request->header;
    if (const auto own = script_.handlers.find(header.api_key); own != script_.handlers.end()) {
      return send_later(peer, own->second.answer(id_, header, request->body));
    }
    switch (header.api_key) {
      case wire::ApiKey::api_versions:
        return peer.send(header, versions());
      case wire::ApiKey::metadata:
        if (script_.closes_at_metadata) return peer.connection->close();
        script_.on_metadata_asked(id_);
        return peer.send(header, metadata());
      case wire::ApiKey::init_producer_id: {
        wire::InitProducerIdResponse given;
        given.producer_id = ProducerId{100 + script_.producer_ids_given++};
        given.producer_epoch = ProducerEpoch{0};
        return peer.send(header, given);
      }
      default:
        return on_produce(peer, header,
                          *wire::decode<wire::ProduceRequest>(request->body, header.api_version));
    }
  }
  void send_later(Peer& peer, std::optional<Chain> bytes) {
    peer.is_busy = true;
    if (!bytes) return;
    const Duration delay = std::exchange(script_.answer_after, Duration{});
    process_.executor().arm(process_.clock().mono() + delay,
                            [&peer, bytes = std::move(*bytes)]() mutable {
                              peer.is_busy = false;
                              peer.connection->send(std::move(bytes));
                              peer.go_on();
                            });
  }
  wire::ApiVersionsResponse versions() const {
    std::map<wire::ApiKey, wire::VersionRange> spoken;
    for (const auto& [key, handler] : script_.handlers) {
      spoken[key] = {handler.api.versions.min,
                     std::min(handler.api.versions.max, script_.versions_up_to)};
    }
    for (const wire::Api& api : {wire::ApiVersionsRequest::api, wire::MetadataRequest::api,
                                 wire::InitProducerIdRequest::api, wire::ProduceRequest::api}) {
      spoken.emplace(api.key, wire::VersionRange{api.versions.min,
                                                 std::min<std::int16_t>(api.versions.max, 12)});
    }
    wire::ApiVersionsResponse answer;
    for (const auto& [key, versions] : spoken) {
      answer.api_keys.push_back({static_cast<std::int16_t>(key), versions.min, versions.max});
    }
    return answer;
  }
  wire::MetadataResponse metadata() {
    wire::MetadataResponse answer;
    for (const NodeId broker : script_.brokers) {
      answer.brokers.push_back({broker, "broker-" + std::to_string(broker.value), 9092, {}});
    }
    answer.controller_id = script_.controller;
    wire::MetadataResponse::MetadataResponseTopic topic;
    topic.name = "orders";
    topic.topic_id = script_.topic_id;
    for (std::size_t i = 0; i < script_.leaders.size(); ++i) {
      wire::MetadataResponse::MetadataResponsePartition partition;
      partition.partition_index = PartitionId{static_cast<std::int32_t>(i)};
      partition.leader_id = script_.leaders[i].node;
      partition.leader_epoch = script_.leaders[i].epoch;
      topic.partitions.push_back(partition);
    }
    answer.topics.push_back(std::move(topic));
    return answer;
  }
  void on_produce(Peer& peer, const wire::RequestHeader& header, wire::ProduceRequest request) {
    wire::ProduceResponse answer;
    std::int16_t error = 0;
    if (!script_.produce_errors.empty()) {
      error = script_.produce_errors.front();
      script_.produce_errors.pop_front();
    }
    for (const auto& topic : request.topic_data) {
      wire::ProduceResponse::TopicProduceResponse told{topic.name, {}, {}};
      for (const auto& partition : topic.partition_data) {
        const auto index = static_cast<std::size_t>(partition.index.value);
        wire::ProduceResponse::PartitionProduceResponse each;
        each.index = partition.index;
        each.error_code = script_.leaders[index].node == id_ ? error : std::int16_t{6};
        if (each.error_code == 0) {
          const auto bytes = partition.records->flatten();
          each.base_offset = Offset{script_.next_offset};
          script_.next_offset += wire::read_batch_header(bytes->bytes())->count;
        }
        told.partition_responses.push_back(each);
      }
      if (script_.answers_backwards) std::ranges::reverse(told.partition_responses);
      answer.responses.push_back(std::move(told));
    }
    script_.produced.push_back({id_, std::move(request)});
    if (!script_.is_silent) peer.send(header, answer);
  }

  sim::Process& process_;
  ClusterScript& script_;
  NodeId id_;
  std::unique_ptr<Listener> listener_;
  std::vector<std::unique_ptr<Peer>> peers_;
};

/// A client in one simulated process.
class SimulatedClient final : public Client::Shared {
 public:
  SimulatedClient(sim::Process& process, Cluster::Options options,
                  std::shared_ptr<Logger> logger = silent_logger())
      : SimulatedClient(process, process.dialer(), std::move(options), std::move(logger)) {}
  SimulatedClient(sim::Process& process, ConnectionDialer& dialer, Cluster::Options options,
                  std::shared_ptr<Logger> logger = silent_logger())
      : time_(process.executor(), process.clock(), MachineWall{process}),
        logger_(std::move(logger)),
        cluster_(ClientEnvironment{process.executor(), dialer, process.clock(), process.random(),
                                   process.workers(), time_, *logger_, process.secure_random()},
                 std::move(options)) {}
  Cluster& cluster() override { return cluster_; }
  const ClientEnvironment& environment() const override { return cluster_.environment(); }
  Duration default_api_timeout() const override { return cluster_.options().default_api_timeout; }
  Result<void> check_usable() const override { return {}; }
  void attach(std::weak_ptr<Part>) override {}
  void close(SharedCallTime, Done done) override { done({}); }

 private:
  struct MachineWall {
    sim::Process& process;
    Timestamp operator()() const { return process.clock().wall(); }
  };

  TickingTime<MachineWall> time_;
  std::shared_ptr<Logger> logger_;
  Cluster cluster_;
};

/// A simulated world with the servers of a script and a process for the client.
class ScriptedWorld {
 public:
  ScriptedWorld() {
    script.brokers = {NodeId{1}, NodeId{2}};
    script.leaders = {{NodeId{1}, LeaderEpoch{0}}, {NodeId{2}, LeaderEpoch{0}}};
    script.controller = NodeId{1};
    engine_options.bootstrap = {{"broker-1", 9092}};
    engine_options.link.protocol.client_id = "test";
  }

  /// `program` creates the object under test in the client's process.
  void start(
      std::function<std::shared_ptr<void>(std::shared_ptr<SimulatedClient>, sim::Process&)> program,
      Duration first = std::chrono::seconds(1)) {
    for (const NodeId broker : script.brokers) {
      if (broker == kill_before_start) continue;
      const std::string name = "broker-" + std::to_string(broker.value);
      world.machine(name).start(name, [this, broker](sim::Process& self) {
        return std::make_shared<ScriptedBroker>(self, script, broker);
      });
    }
    process = &world.machine("client").start("client", [=, this](sim::Process& self) {
      client = std::make_shared<SimulatedClient>(
          self, engine_options,
          function_logger(log_level,
                          [this](LogLevel, std::string_view subject, std::string_view line) {
                            warnings.push_back(std::string(subject) + ": " + std::string(line));
                          }));
      return program(client, self);
    });
    world.run_for(first);
  }
  /// Runs `f` in the client's process, as for everything on its loop.
  template <class F>
  void on_loop(F f) {
    process->executor().post(std::move(f));
    world.run_for(std::chrono::milliseconds(1));
  }

  ClusterScript script;
  Cluster::Options engine_options;
  /// A server in the metadata on which no process listens.
  NodeId kill_before_start;
  LogLevel log_level = LogLevel::warning;
  /// Log lines of the client from that level on.
  std::vector<std::string> warnings;
  sim::World world{7};
  sim::Process* process = nullptr;
  std::shared_ptr<SimulatedClient> client;
};

}  // namespace dohle::client
