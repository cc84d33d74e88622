#include "wire/messages/offset_commit.hpp"

#include "node/limits.hpp"
#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using Response = wire::OffsetCommitResponse;
using Wanted = wire::OffsetCommitRequest::OffsetCommitRequestPartition;

constexpr std::int16_t first_version_with_ids = 10;

std::int16_t fault_of(const FoundTopic& topic, const Wanted& wanted) {
  if (!topic) return topic.code;
  if (topic.partition(wanted.partition_index) == nullptr) {
    return broker_error::unknown_topic_or_partition;
  }
  const std::size_t metadata = wanted.committed_metadata ? wanted.committed_metadata->size() : 0;
  return metadata > limits::max_offset_metadata_bytes ? broker_error::offset_metadata_too_large
                                                      : broker_error::none;
}

void set_errors(Response& response, std::int16_t error) {
  for (auto& topic : response.topics) {
    for (auto& partition : topic.partitions) {
      if (partition.error_code == broker_error::none) partition.error_code = error;
    }
  }
}

}  // namespace

void handle(Call& call, wire::OffsetCommitRequest request) {
  const bool by_id = call.version >= first_version_with_ids;
  const std::int16_t error =
      call.node.groups.check_commit(request.group_id, request.member_id, request.group_instance_id,
                                    request.generation_id_or_member_epoch, call.now);
  Response response;
  std::vector<GroupService::Commit> commits;
  for (auto& wanted : request.topics) {
    auto& topic = response.topics.emplace_back();
    topic.name = wanted.name;
    topic.topic_id = wanted.topic_id;
    const FoundTopic found = by_id ? call.topic(wanted.topic_id, Operation::read)
                                   : call.topic(wanted.name, Operation::read);
    for (auto& partition : wanted.partitions) {
      const std::int16_t fault = fault_of(found, partition);
      topic.partitions.push_back({partition.partition_index, fault});
      if (fault != broker_error::none) continue;
      commits.push_back({found->name,
                         partition.partition_index,
                         {partition.committed_offset, partition.committed_leader_epoch,
                          std::move(partition.committed_metadata).value_or(""), call.now.wall}});
    }
  }
  if (error != broker_error::none || commits.empty()) {
    set_errors(response, error);
    return call.responder.answer(response);
  }
  call.node.groups.commit(
      request.group_id, std::move(commits),
      [responder = call.responder, response = std::move(response)](std::int16_t outcome) mutable {
        set_errors(response, outcome);
        responder.answer(response);
      });
}

}  // namespace dohle::node
