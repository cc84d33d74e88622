#include "wire/messages/list_offsets.hpp"

#include "node/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using Wanted = wire::ListOffsetsRequest::ListOffsetsPartition;
using Found = wire::ListOffsetsResponse::ListOffsetsPartitionResponse;

// Timestamps that stand for positions (KIP-79, KIP-734, KIP-405, KIP-1005).
constexpr Timestamp latest{-1}, earliest{-2}, of_max_timestamp{-3}, earliest_local{-4},
    latest_tiered{-5}, earliest_pending_upload{-6};

Result<std::optional<log::PartitionLog::OffsetAndTime>> look_up(const Engine& engine,
                                                                const log::PartitionLog& log,
                                                                Timestamp at) {
  using Position = log::PartitionLog::OffsetAndTime;
  const Offset high_watermark = engine.high_watermark(log);
  if (at == latest) return Position{high_watermark, Timestamp{}};
  if (at == earliest || at == earliest_local) return Position{log.log_start(), Timestamp{}};
  // Nothing is tiered here.
  if (at == latest_tiered || at == earliest_pending_upload) return std::nullopt;
  auto position = at == of_max_timestamp ? log.max_timestamp() : log.offset_for(at);
  // What is not yet below the high watermark does not exist for consumers.
  if (position && *position && (*position)->offset >= high_watermark) return std::nullopt;
  return position;
}

Found answer_for(Engine& engine, const Topic* topic, const Wanted& wanted) {
  Found found;
  found.partition_index = wanted.partition_index;
  const bool exists =
      topic != nullptr && wanted.partition_index.value >= 0 &&
      static_cast<std::size_t>(wanted.partition_index.value) < topic->partitions.size();
  if (!exists) {
    found.error_code = broker_error::unknown_topic_or_partition;
    return found;
  }
  const auto& log = *topic->partitions[static_cast<std::size_t>(wanted.partition_index.value)];
  const auto position = look_up(engine, log, wanted.timestamp);
  if (!position) {
    found.error_code = wire_code(position.error());
  } else if (*position) {
    found.offset = (*position)->offset;
    found.timestamp = (*position)->timestamp;
    found.leader_epoch = leader_epoch;
  }
  return found;
}

void answer(Engine& engine, const Responder& responder, wire::ListOffsetsRequest request) {
  wire::ListOffsetsResponse response;
  for (const auto& wanted : request.topics) {
    auto& topic = response.topics.emplace_back();
    topic.name = wanted.name;
    const Topic* found = engine.topics().find(wanted.name);
    for (const auto& partition : wanted.partitions) {
      Found answer = answer_for(engine, found, partition);
      if (responder.version < 4) answer.leader_epoch = LeaderEpoch{};
      topic.partitions.push_back(answer);
    }
  }
  responder.answer(response);
}

}  // namespace

void handle_list_offsets(Engine& engine, const Responder& responder, const Slice& body) {
  decoded<wire::ListOffsetsRequest, answer>(engine, responder, body);
}

}  // namespace dohle::node
