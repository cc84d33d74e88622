#include "wire/messages/fetch.hpp"

#include <algorithm>

#include "node/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using PartitionData = wire::FetchResponse::PartitionData;

// No fetch sessions are kept: session id 0 in the answer tells the client to name all partitions
// each time (KIP-227).
class Fetching {
 public:
  Fetching(Engine& engine, wire::FetchRequest request, bool by_id)
      : engine_(engine), request_(std::move(request)), by_id_(by_id) {}

  [[nodiscard]] std::int32_t min_bytes() const { return request_.min_bytes; }

  /// One look at all partitions. `bytes` is what was found, `has_errors` sends it off at once.
  wire::FetchResponse look() {
    wire::FetchResponse response;
    bytes_ = 0;
    has_errors_ = false;
    for (const auto& wanted : request_.topics) {
      auto& topic = response.responses.emplace_back();
      topic.topic = wanted.topic;
      topic.topic_id = wanted.topic_id;
      const Topic* found =
          by_id_ ? engine_.topics().find(wanted.topic_id) : engine_.topics().find(wanted.topic);
      for (const auto& partition : wanted.partitions) {
        topic.partitions.push_back(read(found, partition));
      }
    }
    return response;
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] bool has_errors() const { return has_errors_; }

 private:
  PartitionData read(const Topic* topic, const wire::FetchRequest::FetchPartition& wanted) {
    PartitionData data;
    data.partition_index = wanted.partition;
    data.records = Chain();
    const bool exists = topic != nullptr && wanted.partition.value >= 0 &&
                        static_cast<std::size_t>(wanted.partition.value) < topic->partitions.size();
    if (!exists) {
      return failed(data, topic == nullptr && by_id_ ? broker_error::unknown_topic_id
                                                     : broker_error::unknown_topic_or_partition);
    }
    if (wanted.current_leader_epoch > leader_epoch) {
      return failed(data, broker_error::unknown_leader_epoch);
    }
    const log::PartitionLog& log =
        *topic->partitions[static_cast<std::size_t>(wanted.partition.value)];
    const Offset high_watermark = engine_.high_watermark(log);
    data.high_watermark = high_watermark;
    data.last_stable_offset = high_watermark;
    data.log_start_offset = log.log_start();
    // The request's limit yields to the first batch of the first partition that has one: otherwise
    // a large batch could never be read.
    const std::size_t left = static_cast<std::size_t>(std::max<std::int32_t>(
        0,
        request_.max_bytes - static_cast<std::int32_t>(std::min<std::size_t>(bytes_, INT32_MAX))));
    const std::size_t limit = std::min(
        left, static_cast<std::size_t>(std::max<std::int32_t>(0, wanted.partition_max_bytes)));
    auto records = log.read(wanted.fetch_offset, high_watermark, limit, bytes_ == 0);
    if (!records) return failed(data, wire_code(records.error()));
    bytes_ += records->size();
    data.records = *std::move(records);
    return data;
  }

  PartitionData failed(PartitionData data, std::int16_t code) {
    has_errors_ = true;
    data.error_code = code;
    return data;
  }

  Engine& engine_;
  wire::FetchRequest request_;
  bool by_id_;
  std::size_t bytes_ = 0;
  bool has_errors_ = false;
};

void answer(Engine& engine, const Responder& responder, wire::FetchRequest request) {
  if (request.session_id != 0) {
    wire::FetchResponse response;
    response.error_code = broker_error::fetch_session_id_not_found;
    return responder.answer(response);
  }
  const TimePoint deadline =
      engine.now().mono + std::chrono::milliseconds(std::max(0, request.max_wait_ms));
  Fetching fetching(engine, std::move(request), responder.version >= 13);
  engine.wait_for_records(
      deadline, [&engine, responder, fetching = std::move(fetching)](bool is_last) mutable {
        if (engine.session(responder.session) == nullptr) return true;
        const wire::FetchResponse response = fetching.look();
        const bool is_enough =
            fetching.has_errors() ||
            fetching.bytes() >= static_cast<std::size_t>(std::max(0, fetching.min_bytes()));
        if (!is_enough && !is_last) return false;
        responder.answer(response);
        return true;
      });
}

}  // namespace

void handle_fetch(Engine& engine, const Responder& responder, const Slice& body) {
  decoded<wire::FetchRequest, answer>(engine, responder, body);
}

}  // namespace dohle::node
