#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/ids.hpp"
#include "dohle/sasl.hpp"
#include "dohle/secret.hpp"

namespace dohle {
inline namespace v0 {

/// A topic to create.
struct NewTopic {
  /// 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-'; neither "." nor "..".
  std::string name;
  /// Default: -1, the cluster's own default. At least 1 otherwise.
  std::int32_t partitions = -1;
  /// Default: -1, the cluster's own default. At least 1 otherwise.
  std::int16_t replication_factor = -1;
  /// Default: none. Settings by their Kafka names, for example {"retention.ms", "60000"}.
  std::map<std::string, std::string> config = {};
};

/// A topic that the controller has created.
struct CreatedTopic {
  /// All zero if the server is older than topic ids (Kafka 2.8).
  TopicId id;
  /// -1 if the server does not say.
  std::int32_t partitions = -1;
  /// -1 if the server does not say.
  std::int16_t replication_factor = -1;
};

/// Partitions to add to a topic.
struct NewPartitions {
  /// The topic's name.
  std::string topic;
  /// The number of partitions that the topic has afterwards. More than it has now.
  std::int32_t total = 0;
  /// For each new partition the servers of its replicas, the preferred leader first. Default: none,
  /// the cluster chooses.
  std::optional<std::vector<std::vector<NodeId>>> assignments = {};
};

/// One item of a call about several items: its name and its own outcome.
template <class T>
struct Named {
  /// The item's name, as the caller gave it.
  std::string name;
  /// The item's own outcome, independent of the other items.
  Result<T> result;
};

/// One partition of a topic, as the metadata describes it.
struct PartitionDescription {
  /// Its index in the topic.
  PartitionId partition;
  /// none while the partition has no leader.
  NodeId leader;
  /// none if the server is older than leader epochs (KIP-320).
  LeaderEpoch leader_epoch;
  /// All replicas; the first is the preferred leader.
  std::vector<NodeId> replicas;
  /// The replicas that have all acknowledged records.
  std::vector<NodeId> in_sync_replicas;
  /// The replicas that cannot be reached.
  std::vector<NodeId> offline_replicas;
};

/// A topic with its partitions.
struct TopicDescription {
  /// The topic's name.
  std::string name;
  /// All zero if the server is older than topic ids.
  TopicId id;
  /// True for topics that belong to the servers, for example __consumer_offsets.
  bool is_internal = false;
  /// The partitions, ordered by their index.
  std::vector<PartitionDescription> partitions;
};

/// A topic in a list of all topics.
struct TopicListing {
  /// The topic's name.
  std::string name;
  /// All zero if the server is older than topic ids.
  TopicId id;
  /// True for topics that belong to the servers, for example __consumer_offsets.
  bool is_internal = false;
  /// The number of its partitions.
  std::int32_t partitions = 0;
  /// The number of replicas of the first partition.
  std::int16_t replication_factor = 0;
};

/// One server of a cluster.
struct NodeDescription {
  /// Its id in the cluster.
  NodeId id;
  /// The host that it advertises to clients.
  std::string host;
  /// The port that it advertises to clients.
  std::uint16_t port = 0;
  /// If absent, the server has no rack.
  std::optional<std::string> rack;
};

/// A cluster and its servers.
struct ClusterDescription {
  /// The cluster's id, which was chosen when the cluster was set up. Empty if the server does not
  /// say.
  std::string cluster_id;
  /// The server that creates and deletes topics; none while there is no controller.
  NodeId controller;
  /// The servers in the latest metadata.
  std::vector<NodeDescription> nodes;
};

/// The protocol that the members of a group use.
enum class GroupType : std::uint8_t {
  unknown,   ///< the server is too old to say, or the type is newer than this library
  classic,   ///< JoinGroup and SyncGroup; the members choose the assignment
  consumer,  ///< KIP-848: the server assigns
  share,     ///< KIP-932: members share partitions
};

/// The name that Apache Kafka gives the type, for example "classic". Thread safety: any thread.
[[nodiscard]] DOHLE_API std::string_view to_string(GroupType type);

/// A group in a list of all groups.
struct GroupListing {
  /// The group's id.
  std::string group_id;
  /// "consumer" for groups of consumers; empty for a group without a protocol.
  std::string protocol_type;
  /// The group's state, for example "Stable" or "Empty". Empty if the server is too old to say
  /// (KIP-518).
  std::string state;
  /// The protocol that its members speak. unknown if the server is too old to say (KIP-848).
  GroupType type = GroupType::unknown;
};

/// One member of a group.
struct GroupMemberDescription {
  /// The id that the server gave the member when it joined.
  std::string member_id;
  /// The id of a static member. Empty for a dynamic member (KIP-345).
  std::string group_instance_id;
  /// The client id that the member's client sends.
  std::string client_id;
  /// The address from which the member connects.
  std::string client_host;
  /// The assigned partitions. Empty while the group rebalances, and for groups whose protocol type
  /// is not "consumer".
  std::vector<TopicPartition> assignment;
};

/// A group with its members.
struct GroupDescription {
  /// The group's id.
  std::string group_id;
  /// "Stable", "PreparingRebalance", "CompletingRebalance" or "Empty".
  std::string state;
  /// The protocol that its members speak.
  GroupType type = GroupType::unknown;
  /// "consumer" for groups of consumers; empty for a group without a protocol.
  std::string protocol_type;
  /// The assignor that the members agreed on, for example "range". Empty until they have agreed.
  std::string assignor;
  /// The server that coordinates the group.
  NodeId coordinator;
  /// The current members.
  std::vector<GroupMemberDescription> members;
};

/// The kind of a resource that has a configuration. The values are those of the protocol.
enum class ConfigResourceType : std::int8_t {
  topic = 2,   ///< a topic, by its name
  broker = 4,  ///< a server, by its node id in digits; the request goes to this server
};

/// A topic or a server whose configuration is requested.
struct ConfigResource {
  /// Default: topic.
  ConfigResourceType type = ConfigResourceType::topic;
  /// The topic's name, or the server's node id in digits.
  std::string name;
};

/// One setting of a resource.
struct ConfigEntry {
  /// Kafka's name, for example "retention.ms".
  std::string name;
  /// The setting's value. If absent, it is a secret or null.
  std::optional<std::string> value;
  /// True if the value is a default, so that it is not set for this resource.
  bool is_default = false;
  /// True if the setting cannot be changed.
  bool is_read_only = false;
  /// True for a secret: servers do not return its value.
  bool is_sensitive = false;
};

/// A position in a partition: its start, its end, or the position of a timestamp.
///
///     admin.list_offsets({{{"orders", PartitionId{0}}, OffsetSpec::latest()}});
class OffsetSpec {
 public:
  /// The first offset that the log still has.
  [[nodiscard]] static constexpr OffsetSpec earliest() { return OffsetSpec(Timestamp{-2}); }
  /// The offset that the next visible record will get.
  [[nodiscard]] static constexpr OffsetSpec latest() { return OffsetSpec(Timestamp{-1}); }
  /// The record with the largest timestamp (KIP-734).
  [[nodiscard]] static constexpr OffsetSpec max_timestamp() { return OffsetSpec(Timestamp{-3}); }
  /// The first record with this timestamp or a later one. `Admin::list_offsets` returns
  /// invalid_argument for a negative time.
  [[nodiscard]] static constexpr OffsetSpec at(Timestamp time) {
    return OffsetSpec(time.value < 0 ? Timestamp{invalid} : time);
  }

  /// The number in a ListOffsets request: -2 for earliest, -1 for latest, -3 for max_timestamp,
  /// otherwise the time.
  [[nodiscard]] constexpr Timestamp wire_timestamp() const { return timestamp_; }
  /// False for a negative time.
  [[nodiscard]] constexpr bool is_valid() const { return timestamp_.value != invalid; }
  friend constexpr bool operator==(const OffsetSpec&, const OffsetSpec&) = default;

 private:
  static constexpr std::int64_t invalid = INT64_MIN;
  constexpr explicit OffsetSpec(Timestamp timestamp) : timestamp_(timestamp) {}

  Timestamp timestamp_;
};

/// One query of `Admin::list_offsets`.
struct OffsetQuery {
  /// The partition to query.
  TopicPartition partition;
  /// The position to look up.
  OffsetSpec at;
};

/// The answer to one OffsetQuery.
struct OffsetAnswer {
  /// The partition of the query.
  TopicPartition partition;
  /// The position that the server found.
  struct Found {
    /// The offset; none if there is no record with that timestamp or a later one.
    Offset offset;
    /// The timestamp of the record that was found; none for earliest and latest.
    Timestamp timestamp;
    /// The leader epoch of the record's batch; none if the server does not say.
    LeaderEpoch leader_epoch;
  };
  /// This partition's own outcome.
  Result<Found> result;
};

/// A committed offset of a group.
struct GroupOffset {
  /// The partition that it belongs to.
  TopicPartition partition;
  /// The offset of the next record that the group reads.
  Offset offset;
  /// The leader epoch that the consumer committed with the offset. none if it committed none.
  LeaderEpoch leader_epoch;
  /// The text that the consumer stored beside the offset.
  std::string metadata;
};

/// A user that may log in by SCRAM, with one mechanism.
struct ScramUser {
  /// The user's name.
  std::string name;
  /// scram_sha_256 or scram_sha_512.
  SaslMechanism mechanism = SaslMechanism::scram_sha_512;
  /// The iterations of PBKDF2. Ignored when a user is deleted.
  std::uint32_t iterations = 4'096;
};

/// A SCRAM user to create, or a user that gets another password.
struct NewScramUser {
  /// Not empty. Servers refuse names that are not ASCII.
  std::string name;
  /// At least one byte. UTF-8 without NUL, since no client of this library could log in by another
  /// one. The client sends only the result of PBKDF2, not the password.
  Secret password;
  /// Default: scram_sha_512. scram_sha_256 or scram_sha_512.
  SaslMechanism mechanism = SaslMechanism::scram_sha_512;
  /// Default: 4,096. 4,096 to 16,384, the range of Apache Kafka and of the node. The iterations of
  /// PBKDF2.
  std::uint32_t iterations = 4'096;
};

/// The options of a call of Admin.
struct CallOptions {
  /// If absent, ClientOptions::default_api_timeout. 0 to 1 day. Time for the whole call, retries
  /// included. With 0 a call that needs an answer fails with timed_out.
  std::optional<std::chrono::milliseconds> timeout = {};
};

/// The options of `Admin::create_topics`.
struct CreateTopicsOptions {
  /// Default: false. If true, the server checks the topics and creates none.
  bool validate_only = false;
  /// As CallOptions::timeout.
  std::optional<std::chrono::milliseconds> timeout = {};
};

/// The options of `Admin::create_partitions`.
struct CreatePartitionsOptions {
  /// Default: false. If true, the server checks the request and adds nothing.
  bool validate_only = false;
  /// As CallOptions::timeout.
  std::optional<std::chrono::milliseconds> timeout = {};
};

}  // namespace v0
}  // namespace dohle

namespace dohle::client {
class AdminCalls;
struct HandleAccess;
}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

/// Describes and changes a cluster. It is a handle on its Client. Each call sends its requests to
/// the servers that can answer them, retries retriable errors, and blocks until it has its answer
/// or its timeout expires.
///
/// A server whose answer is 5 s overdue may be frozen. A call that only reads then also asks
/// another server: any other server, or the next leader or coordinator once the cluster names one.
/// The first answer counts. A call that changes something waits for its server's answer until the
/// call's timeout. It asks another server only after a lost connection, or after the cluster has
/// removed the server. Then both requests may be carried out. The client logs a warning, and the
/// message of a later refusal says so, too.
///
/// Errors of every call: timed_out, with the last failure; closed and forked, of the Client;
/// would_deadlock on the client's own thread; invalid_argument for a negative timeout; the error
/// that a server returned. A call about several items returns an outcome for each, and fails as a
/// whole only when no request could be made. Thread safety: any thread.
class DOHLE_API Admin {
 public:
  /// Creates topics. Errors of an item: TOPIC_ALREADY_EXISTS (36), INVALID_TOPIC_EXCEPTION (17),
  /// INVALID_PARTITIONS (37), INVALID_REPLICATION_FACTOR (38), INVALID_CONFIG (40). After a lost
  /// connection a topic may already exist because of this same call; the message then says so.
  Result<std::vector<Named<CreatedTopic>>> create_topics(std::vector<NewTopic> topics,
                                                         CreateTopicsOptions options = {});
  /// Adds partitions to topics (KIP-195). Existing records stay in their partitions. New records
  /// with a key may go to other partitions than before, so the order of a key's records may be lost
  /// at that time. This client asks for new metadata at once. Others see the partitions within
  /// their `ClientOptions::metadata_max_age`. Errors of an item: UNKNOWN_TOPIC_OR_PARTITION (3),
  /// INVALID_PARTITIONS (37), INVALID_REPLICA_ASSIGNMENT (39). After a lost connection the
  /// partitions may already exist because of this same call; the message then says so.
  Result<std::vector<Named<void>>> create_partitions(std::vector<NewPartitions> partitions,
                                                     CreatePartitionsOptions options = {});
  /// Deletes topics with all their records. Errors of an item: UNKNOWN_TOPIC_OR_PARTITION (3),
  /// TOPIC_DELETION_DISABLED (73); timed_out also if the server may be frozen and may still delete
  /// the topic. Such a request is never repeated, because a second one could delete a topic of that
  /// name that was created meanwhile.
  Result<std::vector<Named<void>>> delete_topics(std::vector<std::string> names,
                                                 CallOptions options = {});
  /// All topics that this client may see, ordered by name.
  Result<std::vector<TopicListing>> list_topics(CallOptions options = {});
  /// Topics with their partitions. Never creates a topic. Errors of an item:
  /// UNKNOWN_TOPIC_OR_PARTITION (3), INVALID_TOPIC_EXCEPTION (17).
  Result<std::vector<Named<TopicDescription>>> describe_topics(std::vector<std::string> names,
                                                               CallOptions options = {});
  /// The settings of topics and servers, in the order of `resources` (KIP-133). Errors of an item:
  /// UNKNOWN_TOPIC_OR_PARTITION (3); invalid_argument for a server whose name is not a node id.
  Result<std::vector<Named<std::vector<ConfigEntry>>>> describe_configs(
      std::vector<ConfigResource> resources, CallOptions options = {});
  /// The cluster's id, its controller and its servers.
  Result<ClusterDescription> describe_cluster(CallOptions options = {});
  /// All groups of the cluster. Asks every server. Errors: the error of the first server that
  /// failed.
  Result<std::vector<GroupListing>> list_groups(CallOptions options = {});
  /// Groups with their members. Errors of an item: GROUP_ID_NOT_FOUND (69).
  Result<std::vector<Named<GroupDescription>>> describe_groups(std::vector<std::string> ids,
                                                               CallOptions options = {});
  /// Deletes groups that have no members, with their committed offsets. If a coordinator may be
  /// frozen and another one is named, the call asks the new one; the earlier coordinator can then
  /// no longer delete the group. Errors of an item: NON_EMPTY_GROUP (68), GROUP_ID_NOT_FOUND (69).
  Result<std::vector<Named<void>>> delete_groups(std::vector<std::string> ids,
                                                 CallOptions options = {});
  /// All committed offsets of a group. Empty for a group that does not exist. Errors: the error
  /// that the group's coordinator returned.
  Result<std::vector<GroupOffset>> group_offsets(std::string id, CallOptions options = {});
  /// Positions in partitions, in the order of `queries`. Asks each leader once. Errors of an item:
  /// UNKNOWN_TOPIC_OR_PARTITION (3); invalid_argument for a negative time.
  Result<std::vector<OffsetAnswer>> list_offsets(std::vector<OffsetQuery> queries,
                                                 CallOptions options = {});
  /// Creates SCRAM users, or gives them other passwords (KIP-554). A user has one password for each
  /// mechanism. PBKDF2 takes milliseconds per user, on a worker thread. Errors of an item:
  /// UNACCEPTABLE_CREDENTIAL (93), CLUSTER_AUTHORIZATION_FAILED (31). Errors of the call:
  /// invalid_argument for a mechanism that is not SCRAM, a password that is empty, holds a NUL or
  /// is not UTF-8, or iterations outside their range.
  Result<std::vector<Named<void>>> set_scram_users(std::vector<NewScramUser> users,
                                                   CallOptions options = {});
  /// Deletes SCRAM users, each for one mechanism. Their connections stay open until the next login.
  /// Errors of an item: RESOURCE_NOT_FOUND (91), CLUSTER_AUTHORIZATION_FAILED (31).
  Result<std::vector<Named<void>>> delete_scram_users(std::vector<ScramUser> users,
                                                      CallOptions options = {});
  /// All SCRAM users, ordered by name and mechanism. Errors: CLUSTER_AUTHORIZATION_FAILED (31).
  Result<std::vector<ScramUser>> list_scram_users(CallOptions options = {});

 private:
  friend struct client::HandleAccess;
  explicit Admin(std::shared_ptr<client::AdminCalls> inside);

  std::shared_ptr<client::AdminCalls> inside_;
};

}  // namespace v0
}  // namespace dohle
