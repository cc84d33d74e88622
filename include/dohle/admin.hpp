#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/ids.hpp"

namespace dohle {
inline namespace v0 {

/// A topic to be made.
struct NewTopic {
  std::string name;
  /// -1: the cluster's default.
  std::int32_t partitions = -1;
  /// -1: the cluster's default.
  std::int16_t replication_factor = -1;
  std::map<std::string, std::string> config = {};
};

struct CreatedTopic {
  TopicId id;
  std::int32_t partitions = -1;
  std::int16_t replication_factor = -1;
};

/// One item of a request for several, with its own outcome: never collapsed into one.
template <class T>
struct Named {
  std::string name;
  Result<T> result;
};

struct PartitionDescription {
  PartitionId partition;
  NodeId leader;
  LeaderEpoch leader_epoch;
  std::vector<NodeId> replicas;
  std::vector<NodeId> in_sync_replicas;
  std::vector<NodeId> offline_replicas;
};

struct TopicDescription {
  std::string name;
  TopicId id;
  bool is_internal = false;
  std::vector<PartitionDescription> partitions;
};

struct TopicListing {
  std::string name;
  TopicId id;
  bool is_internal = false;
  std::int32_t partitions = 0;
  std::int16_t replication_factor = 0;
};

struct NodeDescription {
  NodeId id;
  std::string host;
  std::uint16_t port = 0;
  std::optional<std::string> rack;
};

struct ClusterDescription {
  std::string cluster_id;
  NodeId controller;
  std::vector<NodeDescription> nodes;
};

struct GroupListing {
  std::string group_id;
  std::string protocol_type;
  /// "Stable", "Empty", …; empty when the server is too old to say.
  std::string state;
  std::string type;
};

struct GroupMemberDescription {
  std::string member_id;
  std::string group_instance_id;
  std::string client_id;
  std::string client_host;
  std::vector<TopicPartition> assignment;
};

struct GroupDescription {
  std::string group_id;
  std::string state;
  std::string protocol_type;
  /// The assignor that the members agreed on.
  std::string protocol;
  NodeId coordinator;
  std::vector<GroupMemberDescription> members;
};

struct ConfigEntry {
  std::string name;
  std::optional<std::string> value;
  bool is_default = false;
  bool is_read_only = false;
  bool is_sensitive = false;
};

/// Which offset of a partition is asked for.
struct EarliestOffset {};
struct LatestOffset {};
struct MaxTimestampOffset {};
using OffsetSpec = std::variant<EarliestOffset, LatestOffset, MaxTimestampOffset, Timestamp>;

struct OffsetQuery {
  TopicPartition partition;
  OffsetSpec at;
};

struct OffsetAnswer {
  TopicPartition partition;
  struct Found {
    /// none: no record with that timestamp or a later one.
    Offset offset;
    Timestamp timestamp;
    LeaderEpoch leader_epoch;
  };
  Result<Found> result;
};

struct GroupOffset {
  TopicPartition partition;
  Offset offset;
  LeaderEpoch leader_epoch;
  std::string metadata;
};

}  // namespace v0
}  // namespace dohle

namespace dohle::client {
class AdminCalls;
}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

/// Looks at and changes the cluster. A handle on its Client. Each call takes a timeout over all
/// retries (0: the client's default_api_timeout), goes to the node that can answer it, and blocks;
/// on the client's own thread it fails with would_deadlock.
/// Thread safety: any thread.
class DOHLE_API Admin {
 public:
  using Milliseconds = std::chrono::milliseconds;

  /// `validate_only`: everything but the making.
  Result<std::vector<Named<CreatedTopic>>> create_topics(std::vector<NewTopic> topics,
                                                         bool validate_only = false,
                                                         Milliseconds timeout = {});
  Result<std::vector<Named<void>>> delete_topics(std::vector<std::string> names,
                                                 Milliseconds timeout = {});
  Result<std::vector<TopicListing>> list_topics(Milliseconds timeout = {});
  Result<std::vector<Named<TopicDescription>>> describe_topics(std::vector<std::string> names,
                                                               Milliseconds timeout = {});
  Result<std::vector<ConfigEntry>> describe_topic_config(std::string name,
                                                         Milliseconds timeout = {});
  Result<ClusterDescription> describe_cluster(Milliseconds timeout = {});
  Result<std::vector<GroupListing>> list_groups(Milliseconds timeout = {});
  Result<std::vector<Named<GroupDescription>>> describe_groups(std::vector<std::string> ids,
                                                               Milliseconds timeout = {});
  Result<std::vector<Named<void>>> delete_groups(std::vector<std::string> ids,
                                                 Milliseconds timeout = {});
  /// All committed offsets of a group.
  Result<std::vector<GroupOffset>> group_offsets(std::string id, Milliseconds timeout = {});
  Result<std::vector<OffsetAnswer>> list_offsets(std::vector<OffsetQuery> queries,
                                                 Milliseconds timeout = {});

  explicit Admin(std::shared_ptr<client::AdminCalls> core);

 private:
  std::shared_ptr<client::AdminCalls> core_;
};

}  // namespace v0
}  // namespace dohle
