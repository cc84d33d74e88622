#pragma once

#include <tuple>

#include "wire/messages/api_versions.hpp"
#include "wire/messages/consumer_offsets.hpp"
#include "wire/messages/consumer_protocol.hpp"
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

/// What tests over every message run through. A message that is missing here is found by
/// `every_api_is_tested`.
using AllRequests =
    std::tuple<ProduceRequest, FetchRequest, ListOffsetsRequest, MetadataRequest,
               OffsetCommitRequest, OffsetFetchRequest, FindCoordinatorRequest, JoinGroupRequest,
               HeartbeatRequest, LeaveGroupRequest, SyncGroupRequest, DescribeGroupsRequest,
               ListGroupsRequest, ApiVersionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
               InitProducerIdRequest, OffsetForLeaderEpochRequest, DescribeConfigsRequest,
               DeleteGroupsRequest, DescribeClusterRequest>;

using GroupRecords =
    std::tuple<OffsetCommitKey, OffsetCommitValue, GroupMetadataKey, GroupMetadataValue,
               ConsumerProtocolSubscription, ConsumerProtocolAssignment>;

/// Calls `f.operator()<M>()` for every message of a tuple.
template <class Tuple, class F>
void for_each_message(F&& f) {
  [&]<class... M>(std::tuple<M...>*) {
    (f.template operator()<M>(), ...);
  }(static_cast<Tuple*>(nullptr));
}

/// Calls `f.operator()<M>()` for every request, response and group record.
template <class F>
void for_all_messages(F&& f) {
  for_each_message<AllRequests>([&]<class M>() {
    f.template operator()<M>();
    f.template operator()<typename M::Response>();
  });
  for_each_message<GroupRecords>([&]<class M>() { f.template operator()<M>(); });
}

}  // namespace dohle::wire
