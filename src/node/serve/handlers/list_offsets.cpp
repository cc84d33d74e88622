#include "wire/messages/list_offsets.hpp"

#include <array>
#include <map>

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using Wanted = wire::ListOffsetsRequest::ListOffsetsPartition;
using Found = wire::ListOffsetsResponse::ListOffsetsPartitionResponse;
using Position = log::PartitionLog::OffsetAndTime;

// Timestamps that stand for positions (KIP-79, KIP-734, KIP-405, KIP-1005, KIP-1023), and the
// version that added each.
constexpr Timestamp latest{-1}, earliest{-2}, of_max_timestamp{-3}, earliest_local{-4},
    latest_tiered{-5}, earliest_pending_upload{-6};
constexpr std::int16_t first_version_with_epoch = 4;
constexpr std::array<std::int16_t, 7> since_version{0, 0, 0, 7, 8, 9, 11};

bool is_known(Timestamp at, std::int16_t version) {
  if (at.value >= 0) return true;
  return at >= earliest_pending_upload &&
         version >= since_version[static_cast<std::size_t>(-at.value)];
}

Result<std::optional<Position>> look_up(const log::PartitionLog& log, Timestamp at) {
  const Offset visible = log.high_watermark();
  if (at == latest) return Position{visible, Timestamp{}, leader_epoch};
  if (at == earliest || at == earliest_local) {
    return Position{log.log_start(), Timestamp{}, leader_epoch};
  }
  // The node has no tiered storage.
  if (at == latest_tiered || at == earliest_pending_upload) return std::nullopt;
  auto position = at == of_max_timestamp ? log.max_timestamp() : log.offset_for(at);
  // Consumers cannot see records above the high watermark.
  if (position && *position && (*position)->offset >= visible) return std::nullopt;
  return position;
}

Found answer_for(const Call& call, const FoundTopic& topic, const Wanted& wanted) {
  Found found;
  found.partition_index = wanted.partition_index;
  const auto failed = [&](std::int16_t code) {
    found.error_code = code;
    return found;
  };
  if (!topic) return failed(topic.code);
  const PartitionRef* partition = topic.partition(wanted.partition_index);
  const std::int16_t fault = fault_of(partition, wanted.current_leader_epoch);
  if (fault != broker_error::none) return failed(fault);
  if (!is_known(wanted.timestamp, call.version)) return failed(broker_error::unsupported_version);
  const auto position = look_up(*(*partition)->log(), wanted.timestamp);
  if (!position) return failed(wire_code(position.error()));
  if (*position) {
    found.offset = (*position)->offset;
    found.timestamp = (*position)->timestamp;
    if (call.version >= first_version_with_epoch) {
      found.leader_epoch = (*position)->leader_epoch;
    }
  }
  return found;
}

}  // namespace

void handle(Call& call, wire::ListOffsetsRequest request) {
  wire::ListOffsetsResponse response;
  std::map<std::pair<std::string_view, PartitionId>, int> named;
  for (const auto& wanted : request.topics) {
    for (const auto& partition : wanted.partitions) {
      ++named[{wanted.name, partition.partition_index}];
    }
  }
  for (const auto& wanted : request.topics) {
    auto& topic = response.topics.emplace_back();
    topic.name = wanted.name;
    const FoundTopic found = call.topic(wanted.name, Operation::describe);
    for (const auto& partition : wanted.partitions) {
      if (named.at({wanted.name, partition.partition_index}) == 1) {
        topic.partitions.push_back(answer_for(call, found, partition));
        continue;
      }
      Found& twice = topic.partitions.emplace_back();
      twice.partition_index = partition.partition_index;
      twice.error_code = broker_error::invalid_request;
    }
  }
  call.responder.answer(response);
}

}  // namespace dohle::node
