#include "wire/api.hpp"

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

namespace dohle::wire {

namespace {

constexpr std::array apis = {
    ProduceRequest::api,         FetchRequest::api,          ListOffsetsRequest::api,
    MetadataRequest::api,        OffsetCommitRequest::api,   OffsetFetchRequest::api,
    FindCoordinatorRequest::api, JoinGroupRequest::api,      HeartbeatRequest::api,
    LeaveGroupRequest::api,      SyncGroupRequest::api,      DescribeGroupsRequest::api,
    ListGroupsRequest::api,      ApiVersionsRequest::api,    CreateTopicsRequest::api,
    DeleteTopicsRequest::api,    InitProducerIdRequest::api, OffsetForLeaderEpochRequest::api,
    DescribeConfigsRequest::api, DeleteGroupsRequest::api,   DescribeClusterRequest::api,
};

constexpr std::array<std::string_view, apis.size()> names = {
    "Produce",         "Fetch",          "ListOffsets",
    "Metadata",        "OffsetCommit",   "OffsetFetch",
    "FindCoordinator", "JoinGroup",      "Heartbeat",
    "LeaveGroup",      "SyncGroup",      "DescribeGroups",
    "ListGroups",      "ApiVersions",    "CreateTopics",
    "DeleteTopics",    "InitProducerId", "OffsetForLeaderEpoch",
    "DescribeConfigs", "DeleteGroups",   "DescribeCluster",
};

}  // namespace

std::span<const Api> all_apis() {
  return apis;
}

const Api* find_api(ApiKey key) {
  for (const Api& api : apis) {
    if (api.key == key) return &api;
  }
  return nullptr;
}

std::string_view api_name(ApiKey key) {
  const Api* api = find_api(key);
  return api == nullptr ? "unknown" : names[static_cast<std::size_t>(api - apis.data())];
}

}  // namespace dohle::wire
