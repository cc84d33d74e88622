#include "wire/messages/produce.hpp"

#include "node/serve/handlers/handlers.hpp"
#include "wire/batch.hpp"

namespace dohle::node {

namespace {

using PartitionAnswer = wire::ProduceResponse::PartitionProduceResponse;
using TopicData = wire::ProduceRequest::TopicProduceData;

constexpr std::int16_t acks_none = 0;
constexpr std::int16_t acks_all = -1;
constexpr std::int16_t first_version_with_zstd = 7;
constexpr std::int16_t first_version_with_ids = 13;

Error refused(std::int16_t code, std::string_view why) {
  return Error::broker(code, "produce", why);
}

// The client's fault in a batch, as the protocol tells it.
Error as_broker_error(const Error& fault) {
  return refused(
      fault.is(Errc::damaged) ? broker_error::corrupt_message : broker_error::invalid_record,
      fault.message());
}

// A client sends one batch per partition; magic 2 allows no more (KIP-98).
Result<log::Appended> append(Call& call, const PartitionRef& partition,
                             const std::optional<Chain>& records) {
  if (!records || records->empty()) {
    return fail(refused(broker_error::invalid_record, "there is no batch"));
  }
  auto batch = records->flatten();
  if (!batch) return fail(batch.error());
  auto header = wire::validate_produced_batch(*batch);
  if (!header) return fail(as_broker_error(header.error()));
  if (header->is_transactional()) {
    return fail(refused(broker_error::invalid_txn_state, "this node has no transactions"));
  }
  if (header->compression() == wire::Compression::zstd && call.version < first_version_with_zstd) {
    return fail(
        refused(broker_error::unsupported_compression_type, "zstd needs version 7 of the request"));
  }
  return call.engine.append(partition, *batch, *header);
}

class Producing {
 public:
  explicit Producing(Call& call) : call_(call), by_id_(call.version >= first_version_with_ids) {}

  wire::ProduceResponse run(const wire::ProduceRequest& request) {
    wire::ProduceResponse response;
    response.responses.reserve(request.topic_data.size());
    for (const TopicData& data : request.topic_data) {
      auto& topic = response.responses.emplace_back();
      topic.name = data.name;
      topic.topic_id = data.topic_id;
      topic.partition_responses.reserve(data.partition_data.size());
      Topics& topics = call_.engine.topics();
      const Topic* found = by_id_ ? topics.find(data.topic_id) : topics.find(data.name);
      for (const auto& partition : data.partition_data) {
        topic.partition_responses.push_back(
            produce(found, data, partition.index, partition.records));
      }
    }
    return response;
  }

  [[nodiscard]] const std::optional<Error>& first_error() const { return first_error_; }
  /// In the order of the answers; null for those that failed.
  [[nodiscard]] std::vector<PartitionRef> take_partitions() { return std::move(partitions_); }
  [[nodiscard]] bool has_appended() const { return has_appended_; }

 private:
  PartitionAnswer produce(const Topic* topic, const TopicData& data, PartitionId index,
                          const std::optional<Chain>& records) {
    PartitionAnswer answer;
    answer.index = index;
    const PartitionRef* partition = topic == nullptr ? nullptr : topic->partition(index);
    if (partition == nullptr) return failed(answer, no_such(topic, data));
    if (topic->is_internal) {
      return failed(answer, refused(broker_error::invalid_topic_exception,
                                    "only the node writes to " + topic->name));
    }
    const auto appended = append(call_, *partition, records);
    if (!appended) {
      say_what_the_disk_refuses(**partition, appended.error());
      return failed(answer, appended.error());
    }
    partitions_.push_back(*partition);
    has_appended_ = true;
    answer.base_offset = appended->base_offset;
    answer.log_append_time_ms = appended->append_time;
    answer.log_start_offset = (*partition)->log()->log_start();
    return answer;
  }

  void say_what_the_disk_refuses(const Partition& partition, const Error& why) const {
    // Of a partition that is offline its own line has told.
    if (why.category() != ErrorCategory::storage || partition.fault() != nullptr) return;
    const std::int16_t code = wire_code(why);
    call_.engine.warn_now_and_then("partition " + partition.name() + " refuses records: " +
                                   std::string(find_broker_error(code)->name) + " (" +
                                   std::to_string(code) + "): " + std::string(why.message()));
  }

  [[nodiscard]] Error no_such(const Topic* topic, const TopicData& data) const {
    return by_id_ && topic == nullptr
               ? refused(broker_error::unknown_topic_id, data.topic_id.to_string())
               : refused(broker_error::unknown_topic_or_partition, data.name);
  }

  PartitionAnswer failed(PartitionAnswer answer, const Error& why) {
    partitions_.emplace_back();
    answer.error_code = wire_code(why);
    answer.error_message = text_of(why);
    if (!first_error_) first_error_ = why;
    return answer;
  }

  Call& call_;
  bool by_id_;
  std::vector<PartitionRef> partitions_;
  bool has_appended_ = false;
  std::optional<Error> first_error_;
};

// What could not be made durable is not acknowledged.
void note_faults(wire::ProduceResponse& response, const std::vector<PartitionRef>& partitions) {
  auto partition = partitions.begin();
  for (auto& topic : response.responses) {
    for (PartitionAnswer& answer : topic.partition_responses) {
      const PartitionRef& appended = *partition++;
      const Error* fault = appended == nullptr ? nullptr : appended->fault();
      if (fault == nullptr) continue;
      answer.error_code = wire_code(*fault);
      answer.error_message = text_of(*fault);
      answer.base_offset = Offset{};
    }
  }
}

void refuse_acks(Call& call, const wire::ProduceRequest& request) {
  wire::ProduceResponse response;
  for (const TopicData& data : request.topic_data) {
    auto& topic = response.responses.emplace_back();
    topic.name = data.name;
    topic.topic_id = data.topic_id;
    for (const auto& partition : data.partition_data) {
      auto& answer = topic.partition_responses.emplace_back();
      answer.index = partition.index;
      answer.error_code = broker_error::invalid_required_acks;
    }
  }
  call.responder.answer(response);
}

}  // namespace

void handle(Call& call, wire::ProduceRequest request) {
  if (request.acks < acks_all || request.acks > 1) return refuse_acks(call, request);
  Producing producing(call);
  wire::ProduceResponse response = producing.run(request);
  if (request.acks == acks_none) {
    // Nobody reads an answer: closing is the only way to tell.
    return producing.first_error() ? call.responder.close(*producing.first_error())
                                   : call.responder.no_answer();
  }
  if (!producing.has_appended()) return call.responder.answer(response);
  auto answer = [responder = call.responder, response = std::move(response),
                 partitions = producing.take_partitions()]() mutable {
    note_faults(response, partitions);
    responder.answer(response);
  };
  FetchWaits& waits = call.engine.fetch_waits();
  if (request.acks != acks_all) return waits.after_ready(std::move(answer));
  call.engine.syncing().when_durable(
      [&waits, answer = std::move(answer)]() mutable { waits.after_ready(std::move(answer)); });
}

}  // namespace dohle::node
