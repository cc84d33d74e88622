#include "node/serve/handlers/handlers.hpp"

#include <array>

#include "wire/messages/api_versions.hpp"
#include "wire/messages/create_topics.hpp"
#include "wire/messages/delete_groups.hpp"
#include "wire/messages/delete_topics.hpp"
#include "wire/messages/describe_cluster.hpp"
#include "wire/messages/describe_configs.hpp"
#include "wire/messages/describe_groups.hpp"
#include "wire/messages/fetch.hpp"
#include "wire/messages/find_coordinator.hpp"
#include "wire/messages/heartbeat.hpp"
#include "wire/messages/init_producer_id.hpp"
#include "wire/messages/join_group.hpp"
#include "wire/messages/leave_group.hpp"
#include "wire/messages/list_groups.hpp"
#include "wire/messages/list_offsets.hpp"
#include "wire/messages/metadata.hpp"
#include "wire/messages/offset_commit.hpp"
#include "wire/messages/offset_fetch.hpp"
#include "wire/messages/offset_for_leader_epoch.hpp"
#include "wire/messages/produce.hpp"
#include "wire/messages/sync_group.hpp"

namespace dohle::node {

// One file each, of the same name as the message's.
void handle(Call& call, wire::ProduceRequest request);
void handle(Call& call, wire::FetchRequest request);
void handle(Call& call, wire::ListOffsetsRequest request);
void handle(Call& call, wire::MetadataRequest request);
void handle(Call& call, wire::OffsetCommitRequest request);
void handle(Call& call, wire::OffsetFetchRequest request);
void handle(Call& call, wire::FindCoordinatorRequest request);
void handle(Call& call, wire::JoinGroupRequest request);
void handle(Call& call, wire::HeartbeatRequest request);
void handle(Call& call, wire::LeaveGroupRequest request);
void handle(Call& call, wire::SyncGroupRequest request);
void handle(Call& call, wire::DescribeGroupsRequest request);
void handle(Call& call, wire::ListGroupsRequest request);
void handle(Call& call, wire::ApiVersionsRequest request);
void handle(Call& call, wire::CreateTopicsRequest request);
void handle(Call& call, wire::DeleteTopicsRequest request);
void handle(Call& call, wire::InitProducerIdRequest request);
void handle(Call& call, wire::OffsetForLeaderEpochRequest request);
void handle(Call& call, wire::DescribeConfigsRequest request);
void handle(Call& call, wire::DeleteGroupsRequest request);
void handle(Call& call, wire::DescribeClusterRequest request);

namespace {

constexpr std::array table{
    handler_of<wire::ProduceRequest>,         handler_of<wire::FetchRequest>,
    handler_of<wire::ListOffsetsRequest>,     handler_of<wire::MetadataRequest>,
    handler_of<wire::OffsetCommitRequest>,    handler_of<wire::OffsetFetchRequest>,
    handler_of<wire::FindCoordinatorRequest>, handler_of<wire::JoinGroupRequest>,
    handler_of<wire::HeartbeatRequest>,       handler_of<wire::LeaveGroupRequest>,
    handler_of<wire::SyncGroupRequest>,       handler_of<wire::DescribeGroupsRequest>,
    handler_of<wire::ListGroupsRequest>,      handler_of<wire::ApiVersionsRequest>,
    handler_of<wire::CreateTopicsRequest>,    handler_of<wire::DeleteTopicsRequest>,
    handler_of<wire::InitProducerIdRequest>,  handler_of<wire::OffsetForLeaderEpochRequest>,
    handler_of<wire::DescribeConfigsRequest>, handler_of<wire::DeleteGroupsRequest>,
    handler_of<wire::DescribeClusterRequest>,
};

constexpr std::size_t keys = static_cast<std::size_t>(table.back().api.key) + 1;

constexpr std::array<const Handler*, keys> by_key() {
  std::array<const Handler*, keys> places{};
  for (const Handler& handler : table) places[static_cast<std::size_t>(handler.api.key)] = &handler;
  return places;
}

}  // namespace

void refuse_size(Call& call, const wire::Api& api, std::size_t bytes) {
  call.responder.close(Error::client(
      Errc::too_large, std::string(wire::api_name(api.key)) + " request of " +
                           std::to_string(bytes) + " bytes; at most " +
                           std::to_string(max_body_bytes(api.key)) +
                           " are allowed (max_body_bytes), fewer topics or groups at once fit"));
}

std::span<const Handler> handlers() {
  return table;
}

const Handler* find_handler(wire::ApiKey key) {
  static constexpr auto places = by_key();
  const auto index = static_cast<std::size_t>(key);
  return index < places.size() ? places[index] : nullptr;
}

}  // namespace dohle::node
