#include "wire/messages/offset_for_leader_epoch.hpp"

#include <algorithm>

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using Wanted = wire::OffsetForLeaderEpochRequest::OffsetForLeaderPartition;
using Found = wire::OffsetForLeaderEpochResponse::EpochEndOffset;

Found answer_for(const FoundTopic& topic, const Wanted& wanted) {
  Found found;
  found.partition = wanted.partition;
  const PartitionRef* partition = topic.partition(wanted.partition);
  found.error_code = topic ? fault_of(partition, wanted.current_leader_epoch) : topic.code;
  if (found.error_code != broker_error::none) return found;
  const log::PartitionLog& log = *(*partition)->log();
  const auto end = log.epoch_end(wanted.leader_epoch);
  if (!end) {
    found.error_code = wire_code(end.error());
    return found;
  }
  const bool is_present_without_batch = end->epoch.is_none() && wanted.leader_epoch == leader_epoch;
  found.leader_epoch = is_present_without_batch ? leader_epoch : end->epoch;
  // The last epoch ends at the offset up to which consumers may read.
  found.end_offset =
      is_present_without_batch ? log.high_watermark() : std::min(end->end, log.high_watermark());
  return found;
}

}  // namespace

void handle(Call& call, wire::OffsetForLeaderEpochRequest request) {
  wire::OffsetForLeaderEpochResponse response;
  for (const auto& wanted : request.topics) {
    auto& topic = response.topics.emplace_back();
    topic.topic = wanted.topic;
    const FoundTopic found = call.topic(wanted.topic, Operation::describe);
    for (const auto& partition : wanted.partitions) {
      topic.partitions.push_back(answer_for(found, partition));
    }
  }
  call.responder.answer(response);
}

}  // namespace dohle::node
