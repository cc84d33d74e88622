#include "wire/messages/produce.hpp"

#include "node/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using PartitionAnswer = wire::ProduceResponse::PartitionProduceResponse;

Error no_such(const wire::ProduceRequest::TopicProduceData& topic, bool by_id) {
  return by_id ? Error::broker(broker_error::unknown_topic_id, topic.topic_id.to_string())
               : Error::broker(broker_error::unknown_topic_or_partition, topic.name);
}

// The client's fault in a batch, as the protocol tells it.
Error as_broker_error(const Error& fault) {
  const std::int16_t code = fault.is(Errc::damaged) ? broker_error::corrupt_message
                            : fault.is(Errc::unsupported_version)
                                ? broker_error::unsupported_for_message_format
                                : broker_error::invalid_record;
  return Error::broker(code, "produce", fault.message());
}

// A client sends one batch per partition; magic 2 allows no more (KIP-98).
Result<log::Appended> append(Engine& engine, log::PartitionLog& partition,
                             const std::optional<Chain>& records) {
  if (!records || records->empty()) {
    return fail(Error::broker(broker_error::invalid_record, "produce", "there is no batch"));
  }
  auto batch = records->flatten();
  if (!batch) return fail(batch.error());
  auto header = wire::validate_produced_batch(*batch);
  if (!header) return fail(as_broker_error(header.error()));
  if (header->is_transactional()) {
    return fail(
        Error::broker(broker_error::invalid_txn_state, "produce", "this node has no transactions"));
  }
  return partition.append(*batch, *header, leader_epoch, engine.now());
}

class Producing {
 public:
  Producing(Engine& engine, wire::ProduceRequest request, bool by_id)
      : engine_(engine), request_(std::move(request)), by_id_(by_id) {}

  void run() {
    for (const auto& data : request_.topic_data) {
      auto& topic = response_.responses.emplace_back();
      topic.name = data.name;
      topic.topic_id = data.topic_id;
      Topic* found =
          by_id_ ? engine_.topics().find(data.topic_id) : engine_.topics().find(data.name);
      for (const auto& partition : data.partition_data) {
        topic.partition_responses.push_back(
            produce(found, data, partition.index, partition.records));
      }
    }
  }

  [[nodiscard]] const std::vector<log::PartitionLog*>& appended() const { return appended_; }
  [[nodiscard]] bool has_failed() const { return has_failed_; }
  [[nodiscard]] wire::ProduceResponse& response() { return response_; }

 private:
  PartitionAnswer produce(Topic* topic, const wire::ProduceRequest::TopicProduceData& data,
                          PartitionId index, const std::optional<Chain>& records) {
    PartitionAnswer answer;
    answer.index = index;
    const bool exists = topic != nullptr && index.value >= 0 &&
                        static_cast<std::size_t>(index.value) < topic->partitions.size();
    if (!exists) return failed(answer, no_such(data, by_id_));
    log::PartitionLog& partition = *topic->partitions[static_cast<std::size_t>(index.value)];
    const auto appended = append(engine_, partition, records);
    if (!appended) return failed(answer, appended.error());
    appended_.push_back(&partition);
    answer.base_offset = appended->base_offset;
    answer.log_append_time_ms = appended->append_time;
    answer.log_start_offset = partition.log_start();
    return answer;
  }

  PartitionAnswer failed(PartitionAnswer answer, const Error& why) {
    has_failed_ = true;
    answer.error_code = wire_code(why);
    answer.error_message = std::string(why.message());
    return answer;
  }

  Engine& engine_;
  wire::ProduceRequest request_;
  bool by_id_;
  wire::ProduceResponse response_;
  std::vector<log::PartitionLog*> appended_;
  bool has_failed_ = false;
};

// A partition whose sync failed has acknowledged nothing.
void note_failed_syncs(wire::ProduceResponse& response, Engine& engine, bool by_id) {
  for (auto& topic : response.responses) {
    const Topic* found =
        by_id ? engine.topics().find(topic.topic_id) : engine.topics().find(topic.name);
    for (auto& partition : topic.partition_responses) {
      if (partition.error_code != broker_error::none) continue;
      const bool is_gone = found == nullptr;
      if (is_gone ||
          found->partitions[static_cast<std::size_t>(partition.index.value)]->offline() !=
              nullptr) {
        partition.error_code =
            is_gone ? broker_error::unknown_topic_or_partition : broker_error::kafka_storage_error;
        partition.base_offset = Offset{};
      }
    }
  }
}

void answer(Engine& engine, const Responder& responder, wire::ProduceRequest request) {
  const std::int16_t acks = request.acks;
  const bool by_id = responder.version >= 13;
  if (acks < -1 || acks > 1) {
    wire::ProduceResponse response;
    for (const auto& data : request.topic_data) {
      auto& topic = response.responses.emplace_back();
      topic.name = data.name;
      topic.topic_id = data.topic_id;
      for (const auto& partition : data.partition_data) {
        auto& refused = topic.partition_responses.emplace_back();
        refused.index = partition.index;
        refused.error_code = broker_error::invalid_required_acks;
      }
    }
    return responder.answer(response);
  }
  Producing producing(engine, std::move(request), by_id);
  producing.run();
  if (acks == 0 && producing.has_failed()) {
    return responder.close(
        Error::client(Errc::invalid_argument, "a produce with acks=0 failed: closing tells it"));
  }
  if (acks == -1) {
    const std::vector<log::PartitionLog*> appended = producing.appended();
    if (appended.empty()) return responder.answer(producing.response());
    return engine.make_durable(appended, [&engine, responder, by_id,
                                          response = std::move(producing.response())]() mutable {
      note_failed_syncs(response, engine, by_id);
      responder.answer(response);
    });
  }
  if (!producing.appended().empty()) engine.make_durable(producing.appended(), [] {});
  if (acks == 0) return responder.no_answer();
  responder.answer(producing.response());
}

}  // namespace

void handle_produce(Engine& engine, const Responder& responder, const Slice& body) {
  decoded<wire::ProduceRequest, answer>(engine, responder, body);
}

}  // namespace dohle::node
