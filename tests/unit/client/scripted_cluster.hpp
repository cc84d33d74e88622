#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/client_core.hpp"
#include "sim/machine.hpp"
#include "sim/process.hpp"
#include "sim/world.hpp"
#include "wire/header.hpp"
#include "wire/messages/api_versions.hpp"
#include "wire/messages/init_producer_id.hpp"
#include "wire/messages/metadata.hpp"
#include "wire/messages/produce.hpp"

namespace dohle::client {

/// What the servers of a scripted cluster say. One topic, "orders".
struct ClusterScript {
  /// Leaders of the partitions; the epoch counts up with each change.
  std::vector<PartitionLeader> leaders;
  /// Ports are all 9092; hosts are "broker-ID".
  std::vector<NodeId> brokers;
  std::int64_t producer_ids_given = 0;
  /// Produce requests as they came, with the server that got them.
  struct Produced {
    NodeId at;
    wire::ProduceRequest request;
  };
  std::vector<Produced> produced;
  /// Answers to come, one per request; afterwards everything succeeds.
  std::deque<std::int16_t> produce_errors;
  /// Requests are taken and never answered.
  bool is_silent = false;
  std::int64_t next_offset = 0;

  void move_leader(std::size_t partition, NodeId to) {
    leaders[partition] = {to, LeaderEpoch{leaders[partition].epoch.value + 1}};
  }
};

/// A server that answers by the script.
class ScriptedBroker final : public Acceptor {
 public:
  ScriptedBroker(sim::Process& process, ClusterScript& script, NodeId id)
      : script_(script), id_(id) {
    listener_ = std::move(*process.listening().listen({"0.0.0.0", 9092}, {}, *this));
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
    void on_frame(Slice frame) override { broker.answer(*this, frame); }
    void on_closed(Error) override {}

    template <class M>
    void send(const wire::RequestHeader& to, const M& message) {
      connection->send(*wire::encode_response(to.correlation_id, message, to.api_version));
    }
    ScriptedBroker& broker;
    std::unique_ptr<Connection> connection;
  };

  void answer(Peer& peer, const Slice& frame) {
    const auto request = wire::decode_request_header(frame);
    const auto& header = request->header;
    switch (header.api_key) {
      case wire::ApiKey::api_versions:
        return peer.send(header, versions());
      case wire::ApiKey::metadata:
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
  static wire::ApiVersionsResponse versions() {
    wire::ApiVersionsResponse answer;
    for (const wire::Api& api : {wire::ApiVersionsRequest::api, wire::MetadataRequest::api,
                                 wire::InitProducerIdRequest::api, wire::ProduceRequest::api}) {
      answer.api_keys.push_back({static_cast<std::int16_t>(api.key), api.versions.min,
                                 std::min<std::int16_t>(api.versions.max, 12)});
    }
    return answer;
  }
  wire::MetadataResponse metadata() {
    wire::MetadataResponse answer;
    for (const NodeId broker : script_.brokers) {
      answer.brokers.push_back({broker, "broker-" + std::to_string(broker.value), 9092, {}});
    }
    wire::MetadataResponse::MetadataResponseTopic topic;
    topic.name = "orders";
    topic.topic_id = TopicId{{1}};
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
      answer.responses.push_back(std::move(told));
    }
    script_.produced.push_back({id_, std::move(request)});
    if (!script_.is_silent) peer.send(header, answer);
  }

  ClusterScript& script_;
  NodeId id_;
  std::unique_ptr<Listener> listener_;
  std::vector<std::unique_ptr<Peer>> peers_;
};

/// A client in one simulated process.
class SimulatedClient final : public Client::Core {
 public:
  SimulatedClient(sim::Process& process, Engine::Options options)
      : time_(process),
        engine_(Environment{process.executor(), process.dialer(), process.clock(), process.random(),
                            process.workers(), time_, *logger_},
                std::move(options)) {}
  Engine& engine() override { return engine_; }
  const Environment& environment() const override { return engine_.environment(); }
  Result<void> check_usable() const override { return {}; }
  void attach(std::weak_ptr<Part>) override {}

 private:
  struct ProcessTime final : RecordTime {
    explicit ProcessTime(sim::Process& process_) : process(process_) {}
    Timestamp wall() const override { return process.clock().wall(); }
    void keep_fresh(bool) override {}
    sim::Process& process;
  };

  ProcessTime time_;
  std::shared_ptr<Logger> logger_ = silent_logger();
  Engine engine_;
};

}  // namespace dohle::client
