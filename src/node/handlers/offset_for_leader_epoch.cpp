#include "wire/messages/offset_for_leader_epoch.hpp"

#include "node/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using Wanted = wire::OffsetForLeaderEpochRequest::OffsetForLeaderPartition;
using Found = wire::OffsetForLeaderEpochResponse::EpochEndOffset;

Found answer_for(Call& call, const Topic* topic, const Wanted& wanted) {
  Found found;
  found.partition = wanted.partition;
  const PartitionRef* partition = topic == nullptr ? nullptr : topic->partition(wanted.partition);
  found.error_code = fault_of(partition, wanted.current_leader_epoch);
  if (found.error_code == broker_error::none && wanted.leader_epoch == leader_epoch) {
    // The present epoch ends where consumers may read to.
    found.leader_epoch = leader_epoch;
    found.end_offset = call.engine.high_watermark(*(*partition)->log());
  }
  return found;
}

}  // namespace

void handle(Call& call, wire::OffsetForLeaderEpochRequest request) {
  wire::OffsetForLeaderEpochResponse response;
  for (const auto& wanted : request.topics) {
    auto& topic = response.topics.emplace_back();
    topic.topic = wanted.topic;
    const Topic* found = call.engine.topics().find(wanted.topic);
    for (const auto& partition : wanted.partitions) {
      topic.partitions.push_back(answer_for(call, found, partition));
    }
  }
  call.responder.answer(response);
}

}  // namespace dohle::node
