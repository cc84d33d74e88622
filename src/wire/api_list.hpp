#pragma once

/// Every API that has messages, in the order of the keys, as API(key, file, Name). To add an API,
/// add its line. The enum, the tables of wire and node, the build, the tests and the program that
/// makes golden bytes come from these lines. `file` names the file of the messages in wire/messages
/// and that of the node's handler in node/serve/handlers.
#define DOHLE_FOR_EACH_API(API)                                          \
  API(0, produce, Produce)                                               \
  API(1, fetch, Fetch)                                                   \
  API(2, list_offsets, ListOffsets)                                      \
  API(3, metadata, Metadata)                                             \
  API(8, offset_commit, OffsetCommit)                                    \
  API(9, offset_fetch, OffsetFetch)                                      \
  API(10, find_coordinator, FindCoordinator)                             \
  API(11, join_group, JoinGroup)                                         \
  API(12, heartbeat, Heartbeat)                                          \
  API(13, leave_group, LeaveGroup)                                       \
  API(14, sync_group, SyncGroup)                                         \
  API(15, describe_groups, DescribeGroups)                               \
  API(16, list_groups, ListGroups)                                       \
  API(17, sasl_handshake, SaslHandshake)                                 \
  API(18, api_versions, ApiVersions)                                     \
  API(19, create_topics, CreateTopics)                                   \
  API(20, delete_topics, DeleteTopics)                                   \
  API(22, init_producer_id, InitProducerId)                              \
  API(23, offset_for_leader_epoch, OffsetForLeaderEpoch)                 \
  API(32, describe_configs, DescribeConfigs)                             \
  API(36, sasl_authenticate, SaslAuthenticate)                           \
  API(37, create_partitions, CreatePartitions)                           \
  API(42, delete_groups, DeleteGroups)                                   \
  API(48, describe_client_quotas, DescribeClientQuotas)                  \
  API(50, describe_user_scram_credentials, DescribeUserScramCredentials) \
  API(51, alter_user_scram_credentials, AlterUserScramCredentials)       \
  API(60, describe_cluster, DescribeCluster)
