#pragma once

/// Every API that has messages, in the order of the keys, as SERVED(key, file, Name) or
/// UNSERVED(key, file, Name). To add an API, add its line. The enum, the tables of wire and node,
/// the build, the tests and the program that makes golden bytes come from these lines. `file` names
/// the file of the messages in wire/messages and, if the node serves it, that of the node's handler
/// in node/serve/handlers.
#define DOHLE_LIST_APIS(SERVED, UNSERVED)                                   \
  SERVED(0, produce, Produce)                                               \
  SERVED(1, fetch, Fetch)                                                   \
  SERVED(2, list_offsets, ListOffsets)                                      \
  SERVED(3, metadata, Metadata)                                             \
  SERVED(8, offset_commit, OffsetCommit)                                    \
  SERVED(9, offset_fetch, OffsetFetch)                                      \
  SERVED(10, find_coordinator, FindCoordinator)                             \
  SERVED(11, join_group, JoinGroup)                                         \
  SERVED(12, heartbeat, Heartbeat)                                          \
  SERVED(13, leave_group, LeaveGroup)                                       \
  SERVED(14, sync_group, SyncGroup)                                         \
  SERVED(15, describe_groups, DescribeGroups)                               \
  SERVED(16, list_groups, ListGroups)                                       \
  SERVED(17, sasl_handshake, SaslHandshake)                                 \
  SERVED(18, api_versions, ApiVersions)                                     \
  SERVED(19, create_topics, CreateTopics)                                   \
  SERVED(20, delete_topics, DeleteTopics)                                   \
  SERVED(22, init_producer_id, InitProducerId)                              \
  SERVED(23, offset_for_leader_epoch, OffsetForLeaderEpoch)                 \
  SERVED(32, describe_configs, DescribeConfigs)                             \
  SERVED(36, sasl_authenticate, SaslAuthenticate)                           \
  SERVED(42, delete_groups, DeleteGroups)                                   \
  SERVED(50, describe_user_scram_credentials, DescribeUserScramCredentials) \
  SERVED(51, alter_user_scram_credentials, AlterUserScramCredentials)       \
  SERVED(60, describe_cluster, DescribeCluster)

/// Every API that has messages, as API(key, file, Name).
#define DOHLE_FOR_EACH_API(API) DOHLE_LIST_APIS(API, API)
/// Every API that the node serves, as API(key, file, Name).
#define DOHLE_FOR_EACH_SERVED_API(API) DOHLE_LIST_APIS(API, DOHLE_IGNORE_API)
#define DOHLE_IGNORE_API(key, file, Name)
